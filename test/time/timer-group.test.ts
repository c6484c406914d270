import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Timer } from "../../src/time/clock.ts";
import { TimerGroup } from "../../src/time/timer-group.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A clock that counts how often its timers are cancelled. */
class CountingClock extends ManualClock {
  cancelled = 0;

  override timer(delayMs: number, callback: () => void, hold?: boolean): Timer {
    const timer = super.timer(delayMs, callback, hold);
    return {
      cancel: () => {
        this.cancelled++;
        timer.cancel();
      },
    };
  }
}

describe("a group of timers", () => {
  it("forgets those that fired or were cancelled, and cancels the others together", async () => {
    const clock = new CountingClock();
    const group = new TimerGroup(clock, "a test");
    const fired: number[] = [];
    for (const ms of [10, 20]) group.add(ms, () => void fired.push(ms));
    group.add(30, () => void fired.push(30)).cancel();
    await clock.advance(10);
    assert.equal(clock.cancelled, 1);
    group.close();
    assert.equal(clock.cancelled, 2, "the one that is left");
    group.add(5, () => void fired.push(5)).cancel();
    await clock.advance(100);
    assert.deepEqual([fired, clock.pending], [[10], []]);
  });
});
