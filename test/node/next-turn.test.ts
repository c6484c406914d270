import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nextTurn } from "../../src/node/next-turn.ts";

describe("the event loop's next turn", () => {
  it("comes again and again, after what is done in this one", async () => {
    const ran: string[] = [];
    for (let i = 0; i < 20; i++) {
      const turn = new Promise<void>((resolve) =>
        nextTurn(() => {
          ran.push("next");
          resolve();
        })
      );
      ran.push("this");
      await turn;
      // By now, Deno's has a socket of its own.
      if (i === 10) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.deepEqual(ran, Array.from({ length: 20 }, () => ["this", "next"]).flat());
  });
});
