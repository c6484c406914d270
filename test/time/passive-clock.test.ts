import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PassiveClock } from "../../src/time/passive-clock.ts";
import { ManualClock } from "../support/manual-clock.ts";

function setUp() {
  const clock = new ManualClock(), passive = new PassiveClock(clock), ran: string[] = [];
  const timer = (delayMs: number, name: string) => passive.timer(delayMs, () => void ran.push(name));
  return { clock, passive, ran, timer };
}

describe("a passive clock", () => {
  it("runs timers that are due when it is asked to, in their order, and sets none of its own", async () => {
    const { clock, passive, ran, timer } = setUp();
    timer(30, "c");
    timer(10, "a");
    timer(20, "b");
    timer(40, "d");
    assert.equal(passive.dueInMs, 10);
    await clock.advance(30);
    assert.deepEqual([ran, clock.pending], [[], []]);
    passive.run();
    assert.deepEqual(ran, ["a", "b", "c"]);
    assert.equal(passive.dueInMs, 10);
    passive.run();
    await clock.advance(10);
    passive.run();
    assert.deepEqual([ran, passive.dueInMs], [["a", "b", "c", "d"], Infinity]);
  });

  it("does not run cancelled timers", async () => {
    const { clock, passive, ran, timer } = setUp();
    const first = timer(10, "a");
    timer(10, "b");
    first.cancel();
    first.cancel();
    await clock.advance(10);
    passive.run();
    assert.deepEqual(ran, ["b"]);
  });

  it("ends although a timer sets itself again at once, or runs the others", async () => {
    const { clock, passive, ran, timer } = setUp();
    let again = 0;
    const set = () => {
      again++;
      passive.timer(0, set);
    };
    set();
    passive.timer(5, () => passive.run());
    timer(6, "last");
    await clock.advance(10);
    passive.run();
    assert.deepEqual([again, ran], [2, ["last"]]);
  });
});
