// Callers of a registration that wait, on a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Waiters } from "../../src/registry/waiters.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

function setUp() {
  const clock = new ManualClock(), waiters = new Waiters(clock);
  const ends: string[] = [];
  const wait = (name: string, ...args: Parameters<Waiters["wait"]>) => {
    waiters.wait(...args).then(() => ends.push(name), (error: Error) => ends.push(`${name}: ${error.message}`));
  };
  return { clock, waiters, ends, wait };
}

describe("callers who wait", () => {
  it("keep the process alive until they are settled, and leave no timer behind", async () => {
    const { clock, waiters, ends, wait } = setUp();
    assert.equal(waiters.empty, true);
    wait("a");
    wait("b", 10_000, () => new Error("late"));
    assert.deepEqual([clock.held, waiters.empty], [2, false]);
    waiters.settle();
    assert.deepEqual([clock.pending, waiters.empty], [[], true]);
    wait("c");
    waiters.settle(new Error("closed"));
    assert.deepEqual([clock.pending, waiters.empty], [[], true]);
    await settled();
    assert.deepEqual(ends, ["a", "b", "c: closed"]);
  });

  it("wait no longer than they want to, and forever if they don't say", async () => {
    const { clock, waiters, ends, wait } = setUp();
    wait("a", 10_000, () => new Error("late"));
    wait("b");
    await clock.advance(9_999);
    assert.deepEqual(ends, []);
    await clock.advance(1);
    assert.deepEqual([ends, waiters.present().length], [["a: late"], 1]);
    await clock.advance(2 ** 31);
    assert.deepEqual([ends, waiters.present().length], [["a: late"], 1]);
  });

  it("are settled without those who came later", async () => {
    const { waiters, ends, wait } = setUp();
    wait("a");
    const present = waiters.present();
    wait("b");
    waiters.settle(undefined, present);
    await settled();
    assert.deepEqual([ends, waiters.present().length], [["a"], 1]);
  });
});
