import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { describe, it } from "node:test";
import { nextTurn } from "../../src/node/next-turn.ts";

/** A socket is written, read at the other end, written there and read here: each may take some turns. */
const MOST_TURNS = 60;

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

  it("comes after sockets were read, even where turns are long and follow each other without a pause", async (t) => {
    const server = net.createServer((socket) => socket.on("data", (bytes) => void socket.write(bytes)));
    t.after(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    const client = net.connect({ port, host: "127.0.0.1", noDelay: true });
    t.after(() => void client.destroy());
    await once(client, "connect");
    /** How many turns each of a few answers took. */
    const took: number[] = [];
    while (took.length < 5) {
      let answered = false, turns = 0;
      client.once("data", () => answered = true);
      client.write("?");
      await new Promise<void>((resolve) => {
        const turn = () => {
          // Work for one millisecond.
          for (const end = performance.now() + 1; performance.now() < end;);
          if (answered || ++turns === MOST_TURNS) resolve();
          else nextTurn(turn);
        };
        nextTurn(turn);
      });
      took.push(turns);
      if (!answered) await once(client, "data");
    }
    assert.ok(Math.min(...took) < MOST_TURNS, `${took} turns until a socket was read`);
  });
});
