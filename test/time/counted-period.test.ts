import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ResetGuard } from "../../src/http2/server/reset-guard.ts";
import { CountedPeriod, PERIOD_MS } from "../../src/time/counted-period.ts";
import { ManualClock } from "../support/manual-clock.ts";

describe("CountedPeriod", () => {
  it("counts from the first time on, and anew once the period is over", async () => {
    const clock = new ManualClock(), period = new CountedPeriod(clock);
    await clock.advance(3 * PERIOD_MS);
    const counted = (others: number) => {
      assert.equal(period.add(others), clock.now());
      return [period.count, period.others];
    };
    assert.deepEqual([counted(7), counted(8), counted(10)], [[1, 0], [2, 1], [3, 3]]);
    await clock.advance(PERIOD_MS - 1);
    assert.deepEqual(counted(20), [4, 13]);
    await clock.advance(1);
    assert.deepEqual([counted(30), counted(31)], [[1, 0], [2, 1]]);
  });
});

describe("ResetGuard", () => {
  it("says that there are too many resets while they are more than half of a period's requests", async () => {
    const clock = new ManualClock(), guard = new ResetGuard(clock, 10);
    const resets = (count: number, requests: number) =>
      Array.from({ length: count }, () => guard.reset(requests)).indexOf(false);
    assert.equal(resets(20, 1_000), 9);
    await clock.advance(PERIOD_MS);
    assert.equal(resets(1, 1_000), -1);
    // 40 requests of this period justify 20 resets.
    assert.equal(resets(20, 1_040), 19);
    await clock.advance(PERIOD_MS);
    assert.equal(resets(9, 2_000), -1);
    await clock.advance(PERIOD_MS);
    assert.equal(resets(9, 2_000), -1);
  });
});
