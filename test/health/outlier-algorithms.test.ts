import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { rawMethod } from "../../src/raw-method.ts";
import { ejectionMs, mostEjected, rampedUp } from "../../src/health/ejections.ts";
import { failurePercentageOutliers } from "../../src/health/failure-percentage.ts";
import { successRateOutliers } from "../../src/health/success-rate.ts";
import { UsualLatency } from "../../src/health/usual-latency.ts";

const endpoint = (succeeded: number, failed: number) => ({ succeeded, failed });
/** Endpoints with these success rates, each with 1,000 calls. */
const withRates = (rates: readonly number[]) => rates.map((rate) => endpoint(1_000 * rate, 1_000 - 1_000 * rate));

describe("the success-rate algorithm", () => {
  const options = { stdevFactor: 1_900, requestVolume: 100, minimumHosts: 1 };
  const found = (rates: readonly number[], more = {}) =>
    successRateOutliers(withRates(rates), { ...options, ...more }).map(({ succeeded }) => succeeded / 1_000);

  it("finds endpoints that are more than 1.9 standard deviations below the mean", () => {
    assert.deepEqual(found([1, 1, 1, 1, 0.5]), [0.5], "mean .9, deviation .2, threshold .52");
    assert.deepEqual(found([1, 1, 1, 0]), [], "the threshold is below 0");
    assert.deepEqual(found([...Array(299).fill(0.99), 0.9]), [0.9], "one that fails a tenth, among 300");
    assert.deepEqual(found(Array(10).fill(0.3)), [], "all are alike");
  });

  it("finds up to 21.7 % of a fleet that are equally bad, and none of fewer than five endpoints", () => {
    const bad = (n: number, k: number) => found([...Array(n - k).fill(1), ...Array(k).fill(0)]).length;
    assert.deepEqual([bad(3, 1), bad(4, 1), bad(5, 1)], [0, 0, 1]);
    assert.deepEqual([bad(10, 2), bad(10, 3)], [2, 0]);
    assert.deepEqual([bad(1_000, 216), bad(1_000, 218)], [216, 0]);
  });

  it("looks only at endpoints with enough calls, and not at too few of them", () => {
    const five = [...withRates([1, 1, 1, 1]), endpoint(0, 99)];
    assert.deepEqual(successRateOutliers(five, options), []);
    assert.deepEqual(successRateOutliers([...five, ...withRates([1, 0])], options), [endpoint(0, 1_000)]);
    const one = { stdevFactor: 100, minimumHosts: 5 };
    assert.deepEqual(found([1, 1, 1, 0], one), []);
    assert.deepEqual(found([1, 1, 1, 1, 0], one), [0]);
    assert.deepEqual(successRateOutliers([], options), []);
  });

  it("gives the worst first", () => {
    assert.deepEqual(found([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.4, 0.3], { stdevFactor: 1_000 }), [0.3, 0.4]);
  });
});

describe("the failure-percentage algorithm", () => {
  const options = { threshold: 50, requestVolume: 10, minimumHosts: 2 };

  it("finds endpoints that fail strictly more than a percentage of enough calls, the worst first", () => {
    const all = [endpoint(5, 5), endpoint(4, 6), endpoint(0, 9), endpoint(1, 9), endpoint(10, 0)];
    assert.deepEqual(failurePercentageOutliers(all, options), [endpoint(1, 9), endpoint(4, 6)]);
  });

  it("finds none where too few endpoints have enough calls, or where all of them fail as much", () => {
    assert.deepEqual(failurePercentageOutliers([endpoint(0, 10), endpoint(9, 0)], options), []);
    assert.deepEqual(failurePercentageOutliers([endpoint(0, 10), endpoint(0, 10)], options), []);
    assert.deepEqual(failurePercentageOutliers([], options), []);
  });
});

describe("ejections", () => {
  it("last longer each time, and at most as long as they may", () => {
    const growth = (baseMs: number, maxMs: number) =>
      Array.from({ length: 11 }, (_, i) => ejectionMs(1_000 * baseMs, i + 1, 1_000 * maxMs) / 1_000);
    assert.deepEqual(growth(30, 300), [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300]);
    assert.deepEqual(growth(30, 10).slice(0, 2), [30, 30], "the base, if that is longer");
  });

  it("are as many as a fleet can do without", () => {
    const most = (percent?: number) => [0, 1, 2, 3, 4, 5, 9, 300].map((ready) => mostEjected(ready, percent));
    assert.deepEqual(most(), [0, 0, 1, 1, 1, 2, 4, 150]);
    assert.deepEqual(most(10), [0, 0, 1, 1, 1, 1, 1, 30]);
    assert.deepEqual(most(100), [0, 0, 2, 3, 4, 5, 9, 300]);
  });

  it("are followed by twice as many calls in flight each second", () => {
    assert.deepEqual([0, 999, 1_000, 5_000, 9_999, 10_000].map(rampedUp), [1, 1, 2, 32, 1_023, Infinity]);
  });
});

describe("the usual latency", () => {
  const method = rawMethod("/a.B/C", "unary");

  it("is the median of a method's calls, of which one may be very slow", () => {
    const usual = new UsualLatency();
    for (let i = 0; i < 1_000; i++) usual.add(method, i % 3 === 0 ? 5_000 : i % 3 === 1 ? 20 : 21);
    assert.ok(Math.abs(usual.of(method)! - 21) < 4, String(usual.of(method)));
    for (let i = 0; i < 200; i++) usual.add(method, 200);
    assert.ok(Math.abs(usual.of(method)! - 200) < 11, String(usual.of(method)));
  });

  it("is not known of a method with less than five calls", () => {
    const usual = new UsualLatency();
    for (let i = 0; i < 4; i++) usual.add(method, 10);
    assert.equal(usual.of(method), undefined);
    usual.add(method, 10);
    assert.equal(usual.of(method), 10);
    assert.equal(usual.of(rawMethod("/a.B/D", "unary")), undefined);
  });

  it("is above 0 on a clock that stands still, so that it can grow", () => {
    const usual = new UsualLatency();
    for (let i = 0; i < 100_000; i++) usual.add(method, 0);
    for (let i = 0; i < 300; i++) usual.add(method, 100);
    assert.ok(usual.of(method)! > 90);
  });

  it("is remembered for 256 methods", () => {
    const usual = new UsualLatency();
    const methods = Array.from({ length: 257 }, (_, i) => rawMethod(`/a.B/M${i}`, "unary"));
    for (const one of methods) for (let i = 0; i < 5; i++) usual.add(one, 10);
    assert.deepEqual([0, 1, 256].map((i) => usual.of(methods[i]!)), [undefined, 10, 10]);
  });
});
