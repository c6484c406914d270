import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LatencyWindow } from "../../src/call/latency-window.ts";

/** A window with these latencies, which were added at once. */
function windowOf(latencies: readonly number[], nowMs = 0): LatencyWindow {
  const window = new LatencyWindow();
  for (const latencyMs of latencies) window.add(latencyMs, nowMs);
  return window;
}

const times = (count: number, latencyMs: number) => Array.from({ length: count }, () => latencyMs);

describe("a window of latencies", () => {
  it("gives the latency that a share of calls exceeded, at most 5 % too long", () => {
    const latencies = Array.from({ length: 10_000 }, (_, i) => (i + 1) / 10);
    const window = windowOf(latencies.reverse());
    for (const share of [0.5, 0.1, 0.02, 0.001]) {
      const exactMs = 1_000 * (1 - share);
      const ms = window.exceededBy(share, 0)!;
      assert.ok(ms >= exactMs && ms <= exactMs * 1.051, `${share}: ${ms}`);
      assert.ok(latencies.filter((latency) => latency > ms).length <= share * latencies.length);
    }
  });

  it("says nothing of fewer than a hundred calls", () => {
    assert.equal(windowOf(times(99, 1)).exceededBy(0.02, 0), undefined);
    assert.ok(windowOf(times(100, 1)).exceededBy(0.02, 0)! >= 1);
  });

  it("forgets after 20 to 30 seconds", () => {
    const window = windowOf(times(100, 500), 1_000);
    for (const latencyMs of times(200, 1)) window.add(latencyMs, 12_000);
    assert.ok(window.exceededBy(0.02, 20_000)! >= 500);
    assert.ok(window.exceededBy(0.02, 30_999)! >= 500);
    assert.ok(window.exceededBy(0.02, 31_000)! < 1.1);
    assert.ok(window.exceededBy(0.02, 40_999)! < 1.1);
    assert.equal(window.exceededBy(0.02, 41_000), undefined);
  });

  it("forgets each latency once, and does not count it any more", () => {
    const window = new LatencyWindow();
    for (let second = 0; second < 100; second++) {
      for (const latencyMs of times(20, 1)) window.add(latencyMs, second * 1_000);
      if (second >= 5) assert.ok(window.exceededBy(0.02, second * 1_000)! < 1.1, `${second}`);
    }
    assert.equal(window.exceededBy(0.02, 130_000), undefined);
    for (const latencyMs of times(98, 1)) window.add(latencyMs, 130_000);
    assert.equal(window.exceededBy(0.02, 130_000), undefined, "too few are left");
    for (const latencyMs of times(2, 100)) window.add(latencyMs, 130_000);
    assert.ok(window.exceededBy(0.02, 130_000)! < 1.1);
    assert.ok(window.exceededBy(0.0199, 130_000)! >= 100);
  });

  it("forgets everything in a longer pause", () => {
    for (const anyMs of [0, 500, 1e12]) {
      const window = windowOf(times(100, anyMs));
      assert.equal(window.exceededBy(0.02, 3_600_000), undefined);
      for (const latencyMs of times(100, 1)) window.add(latencyMs, 3_600_000);
      assert.ok(window.exceededBy(0.02, 3_600_000)! < 1.1);
      for (const share of [0.02, 0.98]) assert.ok(window.exceededBy(share, 3_600_000)! >= 1);
    }
  });

  it("takes any number: none at all, very long, or shorter than can be told apart", () => {
    assert.ok(windowOf(times(100, 0)).exceededBy(0.02, 0)! > 0);
    for (const shortMs of [1e-9, 0.05]) assert.equal(windowOf(times(100, shortMs)).exceededBy(0.02, 0), 0.05);
    assert.equal(windowOf(times(100, 1e12)).exceededBy(0.02, 0), undefined);
    assert.equal(windowOf(times(100, Infinity)).exceededBy(0.02, 0), undefined);
    assert.equal(windowOf([...times(90, 1), ...times(10, Infinity)]).exceededBy(0.02, 0), undefined);
    assert.ok(windowOf(times(100, 1_900_000)).exceededBy(0.02, 0)! >= 1_900_000);
    assert.equal(windowOf(times(100, 2_000_000)).exceededBy(0.02, 0), undefined);
  });
});
