import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import type { Outcome } from "../../src/connection/connection.ts";
import { Latency } from "../../src/policy/latency.ts";
import { outcome } from "../support/simulation.ts";

/** What is reckoned with after a history of (when, outcome), and when. */
function latencyAfter(history: readonly (readonly [number, Partial<Outcome>])[], atMs: number): number {
  const latency = new Latency({ decayMs: 10_000, penaltyMs: 1_000 });
  for (const [nowMs, part] of history) latency.learn(outcome(part), nowMs);
  return Number(latency.at(atMs).toFixed(3));
}

const took = (latencyMs: number) => ({ latencyMs });
const failed = (part: Partial<Outcome> = {}) => ({ latencyMs: 0.1, code: Code.Unavailable, ...part });

describe("a latency", () => {
  it("follows peaks at once, and falls with time", () => {
    const history = [[0, took(30)], [1_000, took(50)], [2_000, took(10)], [7_000, took(10)], [
      17_000,
      took(10),
    ]] as const;
    const seen = history.map(([nowMs], i) => latencyAfter(history.slice(0, i + 1), nowMs));
    assert.deepEqual(seen, [30, 50, 46.193, 31.952, 18.076]);
  });

  it("decays while nothing is heard, whether or not it is looked at", () => {
    assert.equal(latencyAfter([[0, took(100)]], 10_000), 36.788);
    const latency = new Latency({ decayMs: 10_000, penaltyMs: 1_000 });
    latency.learn(outcome(took(100)), 0);
    for (let nowMs = 0; nowMs < 10_000; nowMs += 100) latency.at(nowMs);
    assert.equal(Number(latency.at(10_000).toFixed(3)), 36.788);
  });

  it("counts a failure as a second, in the average and not as a peak", () => {
    assert.equal(latencyAfter([[0, failed()]], 0), 1_000, "nothing else is known");
    // A thousandth of 10 s has passed.
    assert.equal(
      latencyAfter([[0, took(5)], [10, failed()]], 10),
      Number((5 + 995 * (1 - Math.exp(-0.001))).toFixed(3)),
    );
    const slow = latencyAfter([[0, took(3_000)], [10_000, failed()]], 10_000);
    const decayed = 3_000 / Math.E;
    assert.equal(
      slow,
      Number((decayed + 2 * decayed * (1 - 1 / Math.E)).toFixed(3)),
      "twice what is known, if that is more",
    );
    assert.equal(latencyAfter([[0, failed({ latencyMs: 7_000 })]], 0), 7_000, "what it took, if that is more");
    assert.equal(latencyAfter([[0, failed({ timeoutMs: 50.1 })]], 0), 50, "what it had left, if that is less");
  });

  it("counts failures in a row for more, but those that end together once", () => {
    const after = (...atMs: number[]) =>
      latencyAfter([[0, took(4)], ...atMs.map((at) => [at, failed()] as const)], atMs.at(-1)!);
    const [one, two, three] = [after(10), after(10, 20), after(10, 20, 30)];
    assert.ok(one < 5.1 && two > 500 && two < 510 && three > 870 && three < 890, `${one} ${two} ${three}`);
    assert.ok(after(10, 10, 10, 10) < 5.1, "each had begun before the first failed");
    const between = [[0, took(4)], [10, failed()], [20, took(4)], [30, failed()]] as const;
    assert.ok(latencyAfter(between, 30) < 7);
  });

  it("grows with failures within bounds", () => {
    const failures = Array.from({ length: 2_000 }, (_, i) => [i * 1_000, failed()] as const);
    const latencyMs = latencyAfter(failures, 2_000_000);
    assert.ok(latencyMs > 1_000 && latencyMs <= 60_000, `${latencyMs}`);
  });

  it("grows with failures up to a minute, beyond only with what they took", () => {
    const failures = Array.from({ length: 80 }, (_, i) => [i, failed()] as const);
    assert.equal(latencyAfter([[0, took(59_000)], ...failures], 79), 60_000);
    const slow = Array.from({ length: 80 }, (_, i) => [i * 90_000, failed({ latencyMs: 90_000 })] as const);
    assert.equal(latencyAfter(slow, 79 * 90_000), 90_000);
  });

  it("enters with half of a second failure in a row, three quarters of a third", () => {
    const part = (before: number, latencyMs: number, failures: number) =>
      before * 0.5 ** (failures - 1) + latencyMs * (1 - 0.5 ** (failures - 1));
    const first = 1_000, second = part(first, 2 * first, 2), third = part(second, 2 * second, 3);
    const instant = { latencyMs: 0, penaltyMs: 0 };
    assert.equal(latencyAfter([[0, failed(instant)], [0, failed(instant)]], 0), second);
    assert.equal(latencyAfter([[0, failed(instant)], [0, failed(instant)], [0, failed(instant)]], 0), third);
    assert.equal(latencyAfter([[0, took(1_000)], [0, failed(instant)], [0, failed(instant)]], 0), second);
  });

  it("takes failures that end together for one: those that began before the last one failed", () => {
    const after = (latencyMs: number) => latencyAfter([[0, took(4)], [10, failed()], [20, failed({ latencyMs })]], 20);
    assert.ok(after(10) > 500, "it began when the other failed");
    assert.ok(after(10.001) < 7);
  });

  it("averages with what lies in between for as much as time has passed", () => {
    const latency = new Latency({ decayMs: 10_000, penaltyMs: 1_000 });
    latency.learn(outcome(took(100)), 5_000);
    const known = latency.at(10_000);
    latency.learn(outcome(took(known)), 10_000);
    assert.ok(Math.abs(latency.at(10_000) - known * (2 - Math.exp(-0.5))) < 1e-6, "as long as is known: no peak");
  });

  const codes: [string, Code | undefined, number][] = [
    ["success", undefined, 0.1],
    ["NotFound", Code.NotFound, 0.1],
    ["Unavailable", Code.Unavailable, 1_000],
    ["Internal", Code.Internal, 1_000],
    ["Unknown", Code.Unknown, 1_000],
    ["DataLoss", Code.DataLoss, 1_000],
    ["ResourceExhausted", Code.ResourceExhausted, 1_000],
    ["DeadlineExceeded long before the deadline", Code.DeadlineExceeded, 1_000],
  ];
  for (const [name, code, ms] of codes) {
    it(`counts ${name} as ${ms} ms`, () => {
      assert.equal(latencyAfter([[0, { latencyMs: 0.1, code }]], 0), ms);
    });
  }

  it("learns from calls without an answer only that it is at least so long", () => {
    const abandoned = { end: "maybe-processed", code: Code.Canceled, abandoned: true } as const;
    assert.equal(latencyAfter([[0, took(30)], [10, { ...abandoned, latencyMs: 50 }]], 10), 50);
    assert.equal(latencyAfter([[0, took(30)], [10, { ...abandoned, latencyMs: 20 }]], 10), 29.97);
    assert.equal(
      latencyAfter([[0, took(30)], [10, { ...abandoned, latencyMs: 20, code: Code.Unavailable }]], 10),
      29.97,
    );
    const overdue = { end: "maybe-processed", code: Code.DeadlineExceeded } as const;
    assert.equal(latencyAfter([[0, took(30)], [10, { ...overdue, latencyMs: 1, timeoutMs: 1 }]], 10), 29.97);
    assert.equal(latencyAfter([[0, took(30)], [10, { ...overdue, latencyMs: 1_000, timeoutMs: 1_000 }]], 10), 1_000);
  });

  it("learns from streams when their headers came, if that was lately", () => {
    assert.equal(latencyAfter([[9_000, { latencyMs: 9_000, headerMs: 20 }]], 9_000), 20);
    assert.equal(latencyAfter([[0, took(30)], [60_000, { latencyMs: 60_000, headerMs: 900 }]], 60_000), 0.074);
    const abandoned = { end: "maybe-processed", code: Code.Canceled, abandoned: true, latencyMs: 500 } as const;
    assert.equal(latencyAfter([[0, { ...abandoned, headerMs: 20 }]], 0), 20);
  });

  it("learns from a stream whose headers were slow", () => {
    assert.equal(latencyAfter([[0, { latencyMs: 6_000, headerMs: 5_000 }]], 0), 5_000);
  });

  it("learns nothing new from a call without an answer that took as long as is known", () => {
    const latency = new Latency({ decayMs: 10_000, penaltyMs: 0 });
    latency.learn(outcome(took(100)), 0);
    latency.learn(outcome({ headerMs: undefined, latencyMs: latency.at(5_000) }), 5_000);
    latency.learn(outcome(took(10)), 10_000);
    const expected = 100 / Math.E + 10 * (1 - 1 / Math.E);
    assert.ok(Math.abs(latency.at(10_000) - expected) < 1e-9, "ten seconds have passed, not five");
  });

  it("learns nothing from a stream whose headers came as long ago as a latency takes to decay", () => {
    assert.equal(latencyAfter([[20_000, { latencyMs: 10_020, headerMs: 20 }]], 20_000), 0);
    assert.equal(latencyAfter([[20_000, { latencyMs: 10_019, headerMs: 20 }]], 20_000), 20);
  });

  it("takes a deadline for passed a few milliseconds early, as servers do", () => {
    const overdue = (leftMs: number) => ({ latencyMs: 100 - leftMs, timeoutMs: 100, code: Code.DeadlineExceeded });
    assert.equal(latencyAfter([[0, { ...overdue(5), end: "maybe-processed" }]], 0), 95);
    assert.equal(latencyAfter([[0, took(200)], [10_000, { ...overdue(5), end: "maybe-processed" }]], 10_000), 95);
    assert.ok(latencyAfter([[0, took(200)], [10_000, { ...overdue(6), end: "maybe-processed" }]], 10_000) > 95);
  });

  it("reckons with a server that has not answered yet less and less, and anew after a call that was not sent", () => {
    const latency = new Latency({ decayMs: 10_000, penaltyMs: 0 });
    const first = latency.waitingScore(0);
    assert.equal(latency.waitingScore(5_000), first, "a score does not depend on the time");
    latency.learn(outcome({ end: "not-sent" }), 5_000);
    assert.ok(Math.abs(latency.waitingScore(5_000) - first - 0.5) < 1e-9);
  });

  it("counts such a server as one that took a second", () => {
    const latency = new Latency({ decayMs: 10_000, penaltyMs: 0 }), scores = new Float64Array(2);
    const score = latency.waitingScore(3_000);
    latency.showIn(scores, 1);
    assert.deepEqual([...scores], [0, -Infinity]);
    latency.learn(outcome(took(1_000)), 3_000);
    assert.deepEqual([...scores], [0, score], "a picker's scores are kept up to date");
  });

  it("learns nothing from what was not sent", () => {
    assert.equal(latencyAfter([[0, { end: "not-sent", code: Code.Unavailable, latencyMs: 0 }]], 0), 0);
  });

  it("is never 0 once something is known, and a number whatever comes", () => {
    assert.equal(latencyAfter([[0, took(0)]], 0), 0.001);
    assert.equal(latencyAfter([[0, took(0.002)]], 0), 0.002);
    const ms = fc.double({ min: 0, max: 1e6, noNaN: true });
    const part = fc.record({
      latencyMs: ms,
      headerMs: fc.option(ms, { nil: undefined }),
      timeoutMs: fc.option(ms, { nil: undefined }),
      code: fc.constantFrom(undefined, ...codes.map(([, code]) => code)),
      abandoned: fc.boolean(),
    });
    fc.assert(fc.property(fc.array(fc.tuple(ms, part)), (history) => {
      const latency = new Latency({ decayMs: 10_000, penaltyMs: 1_000 });
      let nowMs = 0;
      for (const [passedMs, given] of history) {
        nowMs += passedMs;
        latency.learn(outcome(given), nowMs);
        const known = latency.at(nowMs);
        assert.ok(known >= 0 && known <= 1e6, `${known}`);
      }
    }));
  });
});
