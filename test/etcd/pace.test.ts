import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Pace } from "../../src/etcd/client/pace.ts";
import { AuthenticationError, EtcdError } from "../../src/etcd/driver/failure.ts";
import { ManualClock } from "../support/manual-clock.ts";

const down = new EtcdError("connection refused", "transient");

function setUp() {
  const clock = new ManualClock();
  // Long after the clock's epoch: only the time that passes counts.
  clock.skip(60_000);
  return { clock, pace: new Pace({ clock, random: () => 0.5 }) };
}

/** The waits after so many failures in a row, in milliseconds: with this chance half of what they can be. */
const waits = (pace: Pace, count: number) => Array.from({ length: count }, () => pace.failed(down).inMs);

describe("the pace of tries on etcd", () => {
  it("is a backoff with full jitter from 100 ms to 2 s", () => {
    assert.deepEqual(waits(setUp().pace, 7), [50, 100, 200, 400, 800, 1_000, 1_000]);
  });

  it("starts over after 10 s of health, counted from the first success, and not before", async () => {
    const { clock, pace } = setUp();
    waits(pace, 3);
    pace.succeeded();
    assert.equal(pace.healthy, true);
    await clock.advance(9_999);
    pace.succeeded();
    assert.deepEqual(waits(pace, 1), [400]);
    assert.equal(pace.healthy, false);
    pace.succeeded();
    await clock.advance(6_000);
    pace.succeeded();
    await clock.advance(4_000);
    assert.deepEqual(waits(pace, 2), [50, 100]);
    // A failure ends the health, however long ago it began.
    await clock.advance(20_000);
    assert.deepEqual(waits(pace, 1), [200]);
  });

  it("starts a loop over at once, and later when that happens again and again", async () => {
    const { clock, pace } = setUp();
    assert.deepEqual([pace.startOver(), pace.startOver(), pace.startOver()], [0, 100, 200]);
    pace.succeeded();
    await clock.advance(10_000);
    assert.equal(pace.startOver(), 0);
  });

  it("waits 30 s after a refusal, and for the next authentication where there is no token", async () => {
    const { clock, pace } = setUp();
    const refusal = new EtcdError("permission denied", "refused");
    assert.deepEqual(pace.failed(refusal), { inMs: 30_000, refused: true, unauthenticated: false });
    const retryAtMs = clock.now() + 1_234.5;
    const wrongPassword = new AuthenticationError(refusal, retryAtMs);
    assert.deepEqual(pace.failed(wrongPassword), { inMs: 1_235, refused: true, unauthenticated: true });
    const noToken = new AuthenticationError(down, retryAtMs);
    await clock.advance(2_000);
    assert.deepEqual(pace.failed(noToken), { inMs: 0, refused: false, unauthenticated: true });
    // None of these is a failure to back off from.
    assert.deepEqual(pace.failed(down), { inMs: 50, refused: false, unauthenticated: false });
  });
});
