// When a connection to etcd may be opened again, on a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SessionBackoff, SessionBackoffs, waitUntilMs } from "../../src/etcd/driver/session-backoff.ts";
import { ManualClock } from "../support/manual-clock.ts";

const never = new AbortController().signal;

function setUp() {
  const clock = new ManualClock();
  clock.skip(50_000);
  return { clock, backoff: new SessionBackoff(clock, () => 0.5) };
}

describe("what waits for a time", () => {
  it("waits for all that is left, and not at all once it is over", () => {
    assert.deepEqual([1_000, 1_001, 5_000].map((nowMs) => waitUntilMs(1_001, nowMs)), [1, 0, 0]);
  });

  it("does not wait if its answer, a second later, would come too late, unless it is late already", () => {
    const waits = [999, 1_000, 1_001, 2_999, 3_000].map((neededByMs) => waitUntilMs(2_000, 1_000, neededByMs));
    assert.deepEqual(waits, [1_000, 1_000, 0, 0, 1_000]);
  });
});

describe("the backoff of a connection to etcd", () => {
  it("grows by a factor of 1.6 with each failure, and stays below 2 s with the longest jitter", () => {
    const { backoff } = setUp();
    const waits = [1, 2, 3].map(() => (backoff.failed(), backoff.waitMs()));
    assert.deepEqual(waits, [1_000, 1_600, 1_600]);
    const late = new SessionBackoff(new ManualClock(), () => 1);
    late.failed();
    late.failed();
    assert.equal(late.waitMs(), 1_920);
  });

  it("is over once the connection is open, and starts over once something was answered", () => {
    const { backoff } = setUp();
    backoff.failed();
    backoff.opened();
    assert.equal(backoff.waitMs(), 0);
    backoff.failed();
    assert.equal(backoff.waitMs(), 1_600, "opened is not yet healthy");
    backoff.opened();
    backoff.answered();
    backoff.ended();
    assert.equal(backoff.waitMs(), 0);
    backoff.failed();
    assert.equal(backoff.waitMs(), 1_000);
  });

  it("does not start over with an answer that comes after the connection's end", () => {
    const { backoff } = setUp();
    backoff.opened();
    backoff.ended();
    backoff.answered();
    backoff.failed();
    assert.equal(backoff.waitMs(), 1_600);
  });

  it("counts the end of a connection that did nothing once, and none of one that is not open", () => {
    const { backoff } = setUp();
    backoff.ended();
    assert.equal(backoff.waitMs(), 0);
    backoff.opened();
    backoff.ended();
    backoff.ended();
    assert.equal(backoff.waitMs(), 1_000);
  });

  it("starts over with the end of a connection that was open for 10 s, and not of a shorter one", async () => {
    for (const [openMs, waitMs] of [[9_999, 1_600], [10_000, 1_000]] as const) {
      const { backoff, clock } = setUp();
      backoff.failed();
      backoff.opened();
      await clock.advance(openMs);
      backoff.ended();
      if (openMs === 10_000) backoff.failed();
      assert.equal(backoff.waitMs(), waitMs);
    }
  });

  it("is waited for until it is over, or the signal aborts, with its reason", async () => {
    const { backoff, clock } = setUp();
    const caller = new AbortController(), reason = new Error("left");
    backoff.failed();
    let over = false;
    const waiting = backoff.wait(undefined, never).then(() => (over = true));
    const left = assert.rejects(backoff.wait(undefined, caller.signal), (error) => error === reason);
    const urgent = backoff.wait(clock.now() + 1_500, never);
    await clock.advance(0);
    await urgent;
    caller.abort(reason);
    await left;
    await clock.advance(999);
    assert.equal(over, false);
    await clock.advance(1);
    await waiting;
    assert.deepEqual(clock.pending, []);
  });

  it("is one for all that use an endpoint, with the clock and the jitter that were given", () => {
    const clock = new ManualClock(), backoffs = new SessionBackoffs({ clock, random: () => 0 });
    const one = backoffs.of({ address: "e1:1" });
    assert.equal(backoffs.of({ address: "e1:1" }), one);
    assert.notEqual(backoffs.of({ address: "e2:1" }), one);
    one.failed();
    assert.equal(one.waitMs(), 800);
    clock.skip(700);
    assert.equal(one.waitMs(), 100);
  });
});
