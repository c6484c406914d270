import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LoadReport } from "../../src/policy/load-report.ts";
import { ReportedWeight, type ReportedWeightSettings } from "../../src/policy/reported-weight.ts";

const DEFAULTS: ReportedWeightSettings = {
  blackoutPeriodMs: 10_000,
  expirationPeriodMs: 180_000,
  errorUtilizationPenalty: 1,
  metricNames: [],
};
const NO_BLACKOUT = { ...DEFAULTS, blackoutPeriodMs: 0 };

const report = (rpsFractional: number, eps: number, cpuUtilization: number, more: Partial<LoadReport> = {}) => ({
  ...{ cpuUtilization, memUtilization: 0, applicationUtilization: 0, rpsFractional, eps },
  ...{ utilization: {}, namedMetrics: {} },
  ...more,
});

/** The weight by one report. */
function weightBy(one: LoadReport, settings: Partial<ReportedWeightSettings> = {}): number {
  const weight = new ReportedWeight(), all = { ...NO_BLACKOUT, ...settings };
  weight.update(one, 0, all);
  return Math.round(weight.weight(0, all) * 100) / 100;
}

describe("a weight by load reports", () => {
  it("is the calls per second divided by the utilization, to which errors add", () => {
    assert.equal(weightBy(report(100, 0, 0.5)), 200);
    assert.equal(weightBy(report(100, 10, 0.5)), 166.67);
    assert.equal(weightBy(report(100, 100, 0.5)), 66.67);
    assert.equal(weightBy(report(100, 10, 0.5), { errorUtilizationPenalty: 0 }), 200);
    assert.equal(weightBy(report(100, 10, 0.5), { errorUtilizationPenalty: 5 }), 100);
    assert.equal(weightBy(report(0.5, 0.25, 1)), 0.33);
    assert.equal(
      weightBy(report(100, 0, 0.5, { namedMetrics: { queue: 2 } }), { metricNames: ["named_metrics.queue"] }),
      50,
    );
  });

  it("does not follow from a report without calls, without utilization, or with numbers that can't be", () => {
    for (
      const [qps, eps, cpu] of [[0, 0, 1], [1, 0, 0], [-1, 0, -1], [-1, 0, 1], [1, 0, -1], [NaN, 0, 1], [
        1,
        0,
        NaN,
      ]] as const
    ) {
      assert.equal(weightBy(report(qps, eps, cpu)), 0);
    }
    for (const [qps, eps, cpu] of [[Infinity, 0, 1], [1e308, 0, 1e-10], [1, 0, Infinity], [1, Infinity, 1]] as const) {
      assert.equal(weightBy(report(qps, eps, cpu)), 0);
    }
    assert.equal(weightBy(report(100, 10, 0)), 0, "errors are no utilization");
    assert.equal(weightBy(report(-1, 10, 1)), 0);
    assert.equal(weightBy(report(100, NaN, 0.5)), 200);
    assert.equal(weightBy(report(100, -100, 0.5)), 200);
  });

  it("stays as it was when a report says nothing, and such a report doesn't keep it", () => {
    const weight = new ReportedWeight();
    weight.update(report(100, 0, 0.5), 0, NO_BLACKOUT);
    for (const [qps, cpu] of [[0, 0.5], [100, 0], [100, Infinity], [1e308, 1e-10]] as const) {
      weight.update(report(qps, 0, cpu), 179_000, NO_BLACKOUT);
    }
    assert.equal(weight.weight(179_999, NO_BLACKOUT), 200);
    assert.equal(weight.weight(180_000, NO_BLACKOUT), 0);
  });

  it("is used once there were reports for the blackout period", () => {
    const weight = new ReportedWeight();
    assert.equal(weight.weight(0, DEFAULTS), 0);
    weight.update(report(100, 0, 0.5), 1_000, DEFAULTS);
    assert.equal(weight.weight(1_000, DEFAULTS), 0);
    weight.update(report(100, 0, 0.25), 9_000, DEFAULTS);
    assert.equal(weight.weight(10_999, DEFAULTS), 0);
    assert.equal(weight.weight(11_000, DEFAULTS), 400);
  });

  it("is not used when the last report has expired, nor for the blackout period that begins then", () => {
    const weight = new ReportedWeight();
    weight.update(report(100, 0, 0.5), 0, DEFAULTS);
    assert.equal(weight.weight(179_999, DEFAULTS), 200);
    assert.equal(weight.weight(180_000, DEFAULTS), 0);
    weight.update(report(100, 0, 0.5), 200_000, DEFAULTS);
    assert.equal(weight.weight(209_999, DEFAULTS), 0);
    assert.equal(weight.weight(210_000, DEFAULTS), 200);
    assert.equal(weight.weight(1e9, { ...DEFAULTS, expirationPeriodMs: Infinity }), 200);
  });

  it("begins anew when the server may have been restarted", () => {
    const weight = new ReportedWeight();
    weight.update(report(100, 0, 0.5), 0, DEFAULTS);
    weight.restarted();
    assert.equal(weight.weight(20_000, DEFAULTS), 0);
    weight.update(report(100, 0, 0.25), 20_000, DEFAULTS);
    assert.equal(weight.weight(29_999, DEFAULTS), 0);
    assert.equal(weight.weight(30_000, DEFAULTS), 400);
  });

  it("stays in use across a restart if there is no blackout period, however short one would be", () => {
    const weight = new ReportedWeight();
    weight.update(report(100, 0, 0.5), 0, NO_BLACKOUT);
    weight.restarted();
    assert.equal(weight.weight(1, NO_BLACKOUT), 200);
    assert.equal(weight.weight(1, { ...DEFAULTS, blackoutPeriodMs: 1 }), 0);
  });

  it("is stale from when the last report expires, and not without any", () => {
    const weight = new ReportedWeight();
    assert.equal(weight.stale(1e9, DEFAULTS), false);
    weight.update(report(100, 0, 0.5), 50_000, DEFAULTS);
    assert.equal(weight.stale(229_999, DEFAULTS), false);
    assert.equal(weight.stale(230_000, DEFAULTS), true);
  });
});
