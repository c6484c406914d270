import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Connection } from "../../src/connection/connection.ts";
import { defaultPolicy } from "../../src/policy/default-policy.ts";
import type { Picker } from "../../src/policy/policy.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { scaledWeights, StrideScheduler } from "../../src/policy/stride-scheduler.ts";
import { weightedRoundRobin } from "../../src/policy/weighted-round-robin.ts";
import { balanced } from "../support/balanced.ts";
import {
  callExcluding,
  fakeConnection,
  fakeEnvironment,
  mulberry32,
  picksOf,
  weighted,
} from "../support/fake-connections.ts";

/** The shares of the calls, within 1 % of those that weights ask for. */
function assertShares(picks: readonly number[], weights: readonly number[]) {
  const total = picks.reduce((a, b) => a + b), sum = weights.reduce((a, b) => a + b);
  weights.forEach((weight, i) => {
    const expected = weight / sum * total;
    assert.ok(Math.abs(picks[i]! - expected) <= expected * 0.01 + 3, `${picks} instead of ${weights}`);
  });
}

const addresses = (picker: Picker, count: number): string[] =>
  Array.from({ length: count }, () => (picker.pick(callExcluding()) as Connection).endpoint.address);

describe("weightedRoundRobin", () => {
  it("gives each endpoint its share of 100,000 picks", () => {
    for (const weights of [[9, 1, 1], [1, 2, 3, 4], [100, 1, 1, 1, 1], [0.3, 0.7], [1, 1.01]]) {
      const connections = weighted(weights);
      const picker = weightedRoundRobin()(connections, undefined, fakeEnvironment());
      assertShares(picksOf(picker, connections, 100_000), weights);
    }
  });

  const cases: [string, (number | undefined)[], number[]][] = [
    ["the mean of the others for one without a weight", [9, undefined, 1], [9, 5, 1]],
    ["at most 100 times the median", [1e300, 2, 2, 2], [200, 2, 2, 2]],
    ["at least 1/100 of the median", [5e-324, 2, 2, 2], [0.02, 2, 2, 2]],
    ["the mean of what is left of the others", [1e300, 5e-324, undefined, 3, 3], [300, 0.03, 76.5075, 3, 3]],
    ["the mean, whatever the unit", [1e308, 1e308, 5e307, undefined], [2, 2, 1, 5 / 3]],
  ];
  for (const [what, weights, shares] of cases) {
    it(`gives ${what}`, () => {
      const connections = weighted(weights);
      const picker = weightedRoundRobin()(connections, undefined, fakeEnvironment());
      assertShares(picksOf(picker, connections, 100_000), shares);
    });
  }

  it("is exactly round robin where weights are the same, are none, or are that of a single endpoint", () => {
    for (const weights of [[2, 2, 2], [undefined, undefined, undefined], [7, undefined, undefined], [1e-300]]) {
      const connections = weighted(weights);
      const one = weightedRoundRobin()(connections, undefined, fakeEnvironment());
      const other = roundRobin()(connections, undefined, fakeEnvironment());
      assert.equal(one.constructor, other.constructor);
      assert.deepEqual(addresses(one, 10), addresses(other, 10));
    }
  });

  it("keeps its place when weights become different, or the same", () => {
    const policy = weightedRoundRobin(), env = fakeEnvironment();
    const connections = weighted([1, 1, 1, 1]);
    const same = policy(connections, undefined, env);
    const last = addresses(same, 6).at(-1);
    connections.forEach((connection) => connection.endpoint = { ...connection.endpoint, weight: 1 });
    connections[1]!.endpoint = { ...connections[1]!.endpoint, weight: 1.0001 };
    // Nearly the same weights: nearly every generation has them all.
    const different = policy(connections, same, env);
    const place = connections.findIndex(({ endpoint }) => endpoint.address === last);
    const next = connections.map((_, i) => connections[(place + 1 + i) % 4]!.endpoint.address);
    const picked = addresses(different, 4);
    assert.deepEqual(picked, next);
    connections.forEach((connection) => connection.endpoint = { ...connection.endpoint, weight: 5 });
    assert.deepEqual(addresses(policy(connections, different, env), 4), next);
  });

  it("goes on where it was in the pattern, through any number of new pickers", () => {
    const policy = weightedRoundRobin(), env = fakeEnvironment();
    const connections = weighted([5, 3, 2, 1]);
    let picker = policy(connections, undefined, env);
    const picks = connections.map(() => 0);
    for (let i = 0; i < 11_000; i++) {
      picksOf(picker, connections, 1).forEach((count, at) => picks[at]! += count);
      picker = policy(connections, policy(connections, picker, env), env);
    }
    assertShares(picks, [5, 3, 2, 1]);
  });

  it("leaves the shares of the others to each other when one has a new weight", () => {
    const policy = weightedRoundRobin(), env = fakeEnvironment();
    const connections = weighted([4, 3, 2, 1]);
    const before = policy(connections, undefined, env);
    picksOf(before, connections, 1_003);
    connections[3]!.endpoint = { ...connections[3]!.endpoint, weight: 11 };
    const after = policy(connections, before, env);
    const picks = picksOf(after, connections, 200);
    [40, 30, 20, 110].forEach((share, i) => assert.ok(Math.abs(picks[i]! - share) <= 3, `${picks}`));
  });

  it("keeps the shares of those that are left, whatever is unavailable or excluded", () => {
    const connections = weighted([50, 20, 10, 5, 1]);
    const picker = weightedRoundRobin()(connections, undefined, fakeEnvironment());
    connections[0]!.available = false;
    const picks = picksOf(picker, connections, 100_000, callExcluding(connections[1]!));
    assertShares(picks, [0, 0, 10, 5, 1]);
  });

  it("finds the one that is left among many, and lets none of a few starve", () => {
    const connections = weighted(Array.from({ length: 1_000 }, (_, i) => i < 997 ? 100 : i === 998 ? 2 : 1));
    const picker = weightedRoundRobin()(connections, undefined, fakeEnvironment());
    connections.forEach((connection, i) => connection.available = i >= 997);
    const picks = picksOf(picker, connections, 4_000).slice(997);
    [1_000, 2_000, 1_000].forEach((share, i) => assert.ok(Math.abs(picks[i]! - share) < 120, `${picks}`));
    connections.forEach((connection) => connection.available = false);
    assert.equal(picker.pick(callExcluding()), "wait");
    connections[123]!.available = true;
    assert.equal(picker.pick(callExcluding()), connections[123]);
    assert.equal(picker.pick(callExcluding(connections[123]!)), "wait");
  });

  it("opens idle connections, gives calls to those that become ready, and leaves failing ones out", () => {
    const connections = weighted([3, 1, 1]);
    Object.assign(connections[1]!, { state: "idle", available: false });
    Object.assign(connections[2]!, { state: "transient_failure", available: false, failure: new Error("refused") });
    const picker = weightedRoundRobin()(connections, undefined, fakeEnvironment());
    assert.equal(connections[1]!.state, "connecting");
    assert.deepEqual(picksOf(picker, connections, 8), [8, 0, 0]);
    connections[1]!.available = true;
    assert.deepEqual(picksOf(picker, connections, 400), [300, 100, 0]);
  });

  it("gives each its own weight, although one is available at one moment and not at the next", () => {
    for (const first of [true, false]) {
      const connections = weighted([1, 9, 3]);
      let looks = 0;
      connections[0]!.failure = new Error("its backoff is just over");
      Object.defineProperty(connections[0], "available", { get: () => (looks++ === 0) === first });
      const picker = weightedRoundRobin()(connections, undefined, fakeEnvironment());
      Object.defineProperty(connections[0], "available", { value: false });
      assertShares(picksOf(picker, connections, 10_000), [0, 9, 3]);
    }
  });

  it("says an error when every connection fails", () => {
    const connections = weighted([3, 1, 2]);
    for (const connection of connections) Object.assign(connection, { available: false, failure: new Error("no") });
    const picker = weightedRoundRobin()(connections, undefined, fakeEnvironment());
    assert.ok(picker.pick(callExcluding()) instanceof Error);
  });

  it("picks only what is available, and in proportion, for any weights and any that are down", () => {
    const weight = fc.option(fc.double({ min: 5e-324, max: Number.MAX_VALUE, noNaN: true }), { nil: undefined });
    const endpoints = fc.array(fc.tuple(weight, fc.boolean()), { minLength: 1, maxLength: 12 });
    fc.assert(fc.property(endpoints, fc.integer(), (endpoints, seed) => {
      const connections = weighted(endpoints.map(([weight]) => weight));
      const picker = weightedRoundRobin()(connections, undefined, fakeEnvironment(undefined, mulberry32(seed)));
      endpoints.forEach(([, up], i) => connections[i]!.available = up);
      for (let i = 0; i < 30; i++) {
        const picked = picker.pick(callExcluding());
        if (endpoints.some(([, up]) => up)) assert.ok((picked as Connection).available);
        else assert.equal(picked, "wait");
      }
    }));
  });

  it("tells the weight in use, in the registry's unit", () => {
    const connections = weighted([9, undefined, 1]);
    const picker = weightedRoundRobin()(connections, undefined, fakeEnvironment());
    assert.deepEqual(connections.map((connection) => picker.describe?.(connection)), [
      { weight: 9 },
      { weight: 5 },
      { weight: 1 },
    ]);
    assert.deepEqual(picker.describe?.(fakeConnection("x:1")), { weight: undefined });
  });

  it("takes as long for a pick among ten thousand as among ten: the steps of its scheduler", () => {
    let looks = 0;
    const connections = weighted(Array.from({ length: 10_000 }, (_, i) => 1 + i % 10));
    const picker = weightedRoundRobin()(connections, undefined, fakeEnvironment());
    const call = { ...callExcluding(), excluded: () => (looks++, false) };
    for (let i = 0; i < 1_000; i++) picker.pick(call);
    assert.equal(looks, 1_000);
  });

  it("tries sixteen picks of its scheduler, then looks at all", () => {
    let looks = 0;
    const connections = weighted(Array.from({ length: 100 }, (_, i) => 1 + i % 10));
    const picker = weightedRoundRobin()(connections, undefined, fakeEnvironment());
    const call = { ...callExcluding(), excluded: () => (looks++, true) };
    assert.equal(picker.pick(call), "wait");
    assert.equal(looks, 16 + 100);
  });

  it("begins at a random place in a random generation of the schedule", () => {
    for (const random of [0, 0.5, 0.999_999_9]) {
      const connections = weighted([1, 2, 3]), scaled = scaledWeights([1, 2, 3])!;
      const picker = weightedRoundRobin()(connections, undefined, fakeEnvironment(undefined, () => random));
      const scheduler = new StrideScheduler(scaled, Math.floor(3 * random), Math.floor(65_535 * random));
      for (let i = 0; i < 50; i++) assert.equal(picker.pick(callExcluding()), connections[scheduler.next()]);
    }
  });

  it("is what a transport does by default", async () => {
    const { client, ready, transport } = balanced({
      resolver: {
        target: "",
        async *resolve() {
          yield { endpoints: [{ address: "a:1", weight: 9 }, { address: "b:1", weight: 1 }, { address: "c:1" }] };
          await new Promise(() => {});
        },
      },
      random: mulberry32(7),
    });
    await ready();
    const picks: Record<string, number> = {};
    for (let i = 0; i < 150; i++) {
      const name = (await client.route({})).value.slice(0, 3);
      picks[name] = (picks[name] ?? 0) + 1;
    }
    assertShares([picks["a:1"]!, picks["b:1"]!, picks["c:1"]!], [9, 1, 5]);
    await transport.close();
    assert.equal(typeof defaultPolicy(), "function");
  });

  it("refuses options that it doesn't know, or that are out of range, and says so where it is passed on uncalled", () => {
    const refuses = (options: object, error: RegExp) => assert.throws(() => weightedRoundRobin(options), error);
    refuses({ weights: 1 }, /^TypeError: weightedRoundRobin\(\) has no option "weights"/);
    refuses({ loadReports: true }, /^TypeError: option loadReports is true: expected an object, such as \{\}$/);
    refuses(
      { loadReports: { updatePeriodMs: 99 } },
      /^RangeError: option loadReports\.updatePeriodMs is 99: .* from 100$/,
    );
    refuses({ loadReports: { outOfBandPeriodMs: 0 } }, /^RangeError: option loadReports\.outOfBandPeriodMs/);
    refuses({ loadReports: { outOfBandPeriodMs: Infinity } }, /^RangeError/);
    refuses({ loadReports: { blackoutPeriodMs: -1 } }, /^RangeError/);
    refuses({ loadReports: { expirationPeriodMs: 0 } }, /^RangeError/);
    refuses({ loadReports: { errorUtilizationPenalty: -0.1 } }, /^RangeError/);
    for (const name of ["cpu", "named_metrics", "named_metrics.", "utilization.", "", "eps"]) {
      refuses({ loadReports: { metricNames: [name] } }, /^TypeError: option loadReports\.metricNames/);
    }
    weightedRoundRobin({ loadReports: { metricNames: ["named_metrics.a.b", "utilization.x", "mem_utilization"] } });
    assert.throws(
      () => balanced({ policy: weightedRoundRobin as never }),
      /^TypeError: option policy is the function weightedRoundRobin: .*Call it: weightedRoundRobin\(…\)$/,
    );
  });
});
