import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DenoTurns } from "../../src/node/deno-turns.ts";

function inTurns() {
  const time = { ms: 100 };
  /** What was waited for, and not called back yet. */
  const waits: { how: "soon" | "look"; run: () => void }[] = [];
  const turns = new DenoTurns({
    now: () => time.ms,
    soon: (run) => void waits.push({ how: "soon", run }),
    look: (run) => void waits.push({ how: "look", run }),
  });
  const ran: string[] = [];
  const next = (name: string, then = () => {}) =>
    turns.next(() => {
      ran.push(name);
      then();
    });
  /** Ends the only wait, and says what it was for. */
  const turn = () => {
    assert.equal(waits.length, 1);
    const { how, run } = waits.shift()!;
    run();
    return how;
  };
  return { time, waits, ran, next, turn };
}

describe("turns of Deno's event loop", () => {
  it("play all that waits in one round, in its order, and what comes meanwhile in the next one", () => {
    const { ran, next, turn, waits } = inTurns();
    next("a", () => next("c"));
    next("b");
    turn();
    assert.deepEqual(ran, ["a", "b"]);
    turn();
    assert.deepEqual([ran, waits.length], [["a", "b", "c"], 0]);
  });

  it("begin with a look at sockets, and have another one every 4 ms", () => {
    const { time, next, turn } = inTurns();
    const hows: string[] = [];
    for (let i = 0; i < 10; i++) {
      next("again");
      hows.push(turn());
      time.ms += 1;
    }
    assert.deepEqual(hows, ["look", "soon", "soon", "soon", "look", "soon", "soon", "soon", "look", "soon"]);
  });

  it("go on although something that ran throws", () => {
    const { ran, next, turn, waits } = inTurns();
    next("a", () => {
      next("c");
      throw new Error("in a test");
    });
    next("b");
    assert.throws(turn, /in a test/);
    next("d");
    turn();
    assert.deepEqual([ran, waits.length], [["a", "b", "c", "d"], 0]);
  });
});
