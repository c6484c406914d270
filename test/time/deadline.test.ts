import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Deadlines, deadlinesOf } from "../../src/time/deadline.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** Notes when each of its deadlines was due. */
class Target {
  readonly at: number[] = [];
  readonly #clock: ManualClock;
  constructor(clock: ManualClock) {
    this.#clock = clock;
  }
  onDeadline(): void {
    this.at.push(this.#clock.now());
  }
}

describe("deadlines", () => {
  it("are due within 4 ms of their time, never early, in any order and with any of them cancelled", async () => {
    const entry = fc.record({ delayMs: fc.integer({ min: 0, max: 300 }), cancel: fc.boolean(), waitMs: fc.nat(20) });
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 15 }), async (entries) => {
        const clock = new ManualClock();
        const deadlines = new Deadlines(clock);
        const made = [];
        for (const { delayMs, cancel, waitMs } of entries) {
          const target = new Target(clock);
          const deadline = deadlines.add(delayMs, target);
          made.push({ target, dueMs: clock.now() + delayMs, cancel });
          if (cancel) deadline.cancel();
          if (waitMs > 15) await clock.advance(waitMs);
        }
        await clock.advance(400);
        for (const { target, dueMs, cancel } of made) {
          assert.equal(target.at.length, cancel ? 0 : 1);
          if (!cancel) assert.ok(target.at[0]! >= dueMs && target.at[0]! <= dueMs + 4, `${target.at[0]} for ${dueMs}`);
        }
        assert.equal(deadlines.pending, 0);
        assert.deepEqual(clock.pending, []);
      }),
      { numRuns: 40 },
    );
  });

  it("hold the process no more when one that is due cancels those that are left", async () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock);
    // Later ones first, so that their slot was seen when the earlier is due.
    const later = deadlines.add(10_000, new Target(clock));
    deadlines.add(10, { onDeadline: () => later.cancel() });
    assert.equal(clock.held, 1);
    await clock.advance(20);
    assert.deepEqual([deadlines.pending, clock.held], [0, 0]);
  });

  it("share one timer, which is left standing when calls end in time", () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock);
    let made = 0;
    const { timer } = clock;
    clock.timer = (...args) => (made++, timer.apply(clock, args));
    for (let i = 0; i < 1_000; i++) {
      const pending = Array.from({ length: 10 }, () => deadlines.add(5_000, new Target(clock)));
      for (const deadline of pending) deadline.cancel();
    }
    assert.deepEqual([made, clock.pending.length], [1, 1]);
    deadlines.add(10, new Target(clock));
    assert.deepEqual([made, clock.pending.length], [2, 1], "an earlier one takes its place");
  });

  it("hold the process while any is pending, and not otherwise", () => {
    const clock = new ManualClock();
    const held: boolean[] = [];
    const { timer } = clock;
    clock.timer = (...args) => ({ ...timer.apply(clock, args), hold: (on) => void held.push(on) });
    const deadlines = new Deadlines(clock);
    const [a, b] = [deadlines.add(100, new Target(clock)), deadlines.add(100, new Target(clock))];
    assert.equal(clock.held, 1);
    a.cancel();
    a.cancel();
    assert.deepEqual(held, []);
    b.cancel();
    assert.deepEqual(held, [false]);
    deadlines.add(200, new Target(clock));
    assert.deepEqual(held, [false, true]);
  });

  it("of background calls never hold it", () => {
    const clock = new ManualClock();
    const held: boolean[] = [];
    const { timer } = clock;
    clock.timer = (...args) => ({ ...timer.apply(clock, args), hold: (on) => void held.push(on) });
    const deadlines = deadlinesOf(clock, "background");
    deadlines.add(100, new Target(clock)).cancel();
    deadlines.add(200, new Target(clock));
    deadlines.add(10, new Target(clock));
    assert.deepEqual([deadlines.pending, clock.held, held], [2, 0, []]);
  });

  it("may be added and cancelled by the callback of one", async () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock);
    const late = new Target(clock);
    const never = deadlines.add(100, { onDeadline: () => assert.fail("cancelled") });
    deadlines.add(100, { onDeadline: () => (never.cancel(), deadlines.add(50, late)) });
    await clock.advance(200);
    assert.deepEqual(late.at, [152]);
  });

  it("are shared by everyone who uses a clock", () => {
    const clock = new ManualClock();
    assert.equal(deadlinesOf(clock), deadlinesOf(clock));
    assert.notEqual(deadlinesOf(clock), deadlinesOf());
    assert.equal(deadlinesOf(clock, "background"), deadlinesOf(clock, "background"));
    assert.notEqual(deadlinesOf(clock, "background"), deadlinesOf(clock));
  });
});
