import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { leastRequest } from "../../src/policy/least-request.ts";
import { balanced } from "../support/balanced.ts";
import {
  callExcluding,
  type FakeConnection,
  fakeConnection,
  fakeEnvironment,
  picksOf,
  weighted,
} from "../support/fake-connections.ts";
import { exponential, simulate } from "../support/simulation.ts";

const even = (count: number) => weighted(Array.from({ length: count }, () => undefined));

function pickerOf(connections: readonly FakeConnection[], options = {}) {
  return leastRequest(options)(connections, undefined, fakeEnvironment());
}

/** Calls that never end. */
function fill(connections: readonly FakeConnection[], calls: number, options = {}): number[] {
  const picker = pickerOf(connections, options);
  for (let i = 0; i < calls; i++) (picker.pick(callExcluding()) as FakeConnection).inFlight++;
  return connections.map(({ inFlight }) => inFlight);
}

describe("leastRequest", () => {
  it("picks the one with the fewest calls in flight, if there are few", () => {
    const connections = even(8);
    connections.forEach((connection, i) => connection.inFlight = i === 5 ? 1 : 2);
    const picks = picksOf(pickerOf(connections), connections, 100);
    assert.deepEqual(picks, [0, 0, 0, 0, 0, 100, 0, 0]);
  });

  it("picks any of those with equally many, all with the same chance", () => {
    for (const count of [3, 8, 9, 50]) {
      const connections = even(count), picks = picksOf(pickerOf(connections), connections, 100_000);
      const mean = 100_000 / count;
      for (const n of picks) assert.ok(Math.abs(n - mean) < 5 * Math.sqrt(mean), `${n} instead of ${mean}`);
    }
  });

  it("compares as many as it was told, none of them twice", () => {
    const connections = even(20);
    connections.forEach((connection, i) => connection.inFlight = i);
    // The busiest `choices - 1` are never the best of as many.
    for (const [choices, most] of [[undefined, 18], [2, 18], [5, 15], [10, 10], [100, 10]] as const) {
      const picks = picksOf(pickerOf(connections, choices === undefined ? {} : { choices }), connections, 20_000);
      assert.ok(picks.findLastIndex((n) => n > 0) <= most, `choices ${choices}: ${picks}`);
      // It is the best if it is among them: 1 - C(19, c) / C(20, c) = c / 20.
      const share = picks[0]! / 20_000, expected = Math.min(choices ?? 2, 10) / 20;
      assert.ok(Math.abs(share - expected) < 0.02, `choices ${choices}: ${share}`);
    }
  });

  it("fills all evenly", () => {
    assert.deepEqual(fill(even(5), 1_000), [200, 200, 200, 200, 200]);
    const many = fill(even(100), 100_000);
    assert.ok(Math.max(...many) - Math.min(...many) <= 10, many.join());
  });

  it("passes over those that are not available, or that the call excludes", () => {
    for (const count of [3, 20, 1_000]) {
      const connections = even(count), picker = pickerOf(connections);
      const last = connections.at(-1)!, other = connections[1]!;
      for (const connection of connections) connection.available = connection === last || connection === other;
      for (let i = 0; i < 20; i++) assert.equal(picker.pick(callExcluding(last)), other);
      assert.equal(picker.pick(callExcluding(last, other)), "wait");
      other.available = false;
      assert.equal(picker.pick(callExcluding()), last);
    }
  });

  it("opens idle connections, waits for them, and says so when all are failing", () => {
    const [a, b] = [fakeConnection("a:1", { state: "idle", available: false }), fakeConnection("b:1")];
    const picker = pickerOf([a, b]);
    assert.equal(a.state, "connecting");
    a.available = true;
    b.inFlight = 1;
    assert.equal(picker.pick(callExcluding()), a, "before the next picker");
    for (const connection of [a, b]) Object.assign(connection, { available: false, failure: new Error("refused") });
    assert.ok(pickerOf([a, b]).pick(callExcluding()) instanceof Error);
    assert.ok(pickerOf([]).pick(callExcluding()) instanceof Error);
  });

  it("gives idle endpoints calls in proportion to their weights, and as many in flight", () => {
    for (const weights of [[9, 1], [1, 2, 3, 4], Array.from({ length: 40 }, (_, i) => i % 4 === 0 ? 9 : 1)]) {
      const connections = weighted(weights), total = weights.reduce((a, b) => a + b);
      const picks = picksOf(pickerOf(connections), connections, 100_000);
      weights.forEach((weight, i) => {
        const expected = 100_000 * weight / total;
        assert.ok(Math.abs(picks[i]! - expected) < 5 * Math.sqrt(expected), `${picks} for ${weights}`);
      });
      const filled = fill(connections, total * 100);
      weights.forEach((weight, i) => {
        assert.ok(Math.abs(filled[i]! / (weight * 100) - 1) < 0.15, `${filled} for ${weights}`);
      });
    }
  });

  it("compares calls in flight by weight", () => {
    const connections = weighted(Array.from({ length: 20 }, (_, i) => i < 10 ? 4 : 1));
    for (const connection of connections) connection.inFlight = 1;
    const picks = picksOf(pickerOf(connections), connections, 20_000);
    const light = picks.slice(10).reduce((a, b) => a + b) / 20_000;
    // Only if two light ones are drawn.
    assert.ok(light < 0.06, `${light}`);
  });

  it("decides between those that were drawn by calls in flight by weight, and keeps the first of equals", () => {
    const connections = weighted(Array.from({ length: 10 }, (_, i) => i === 9 ? 3 : 1));
    const [one, other, heavy] = [connections[2]!, connections[4]!, connections[9]!];
    // A table for these weights has slots of one tenth.
    const pick = (...drawn: readonly FakeConnection[]) => {
      const numbers = drawn.map((connection) => (connections.indexOf(connection) + 0.01) / 10);
      const env = fakeEnvironment(undefined, () => numbers.shift()!);
      return leastRequest()(connections, undefined, env).pick(callExcluding());
    };
    assert.equal(pick(one, other), one);
    assert.equal(pick(other, one), other);
    one.inFlight = other.inFlight = 1;
    assert.equal(pick(one, other), one);
    heavy.inFlight = 4;
    assert.equal(pick(heavy, one), one, "4 calls at a weight of 3 are more than one at a weight of 1");
    heavy.inFlight = 3;
    assert.equal(pick(heavy, one), heavy);
    assert.equal(pick(one, heavy), one);
    assert.equal(pick(one, one, one, heavy), one, "the same is drawn again and not compared with itself");
    heavy.inFlight = 2;
    assert.equal(pick(one, one, one, heavy), heavy);
  });

  it("draws eight times for each that it compares, then looks at all", () => {
    for (const [choices, draws] of [[2, 16], [3, 24], [10, 80]] as const) {
      const connections = even(50);
      let drawn = 0;
      // Always the first, which the call excludes.
      const env = fakeEnvironment(undefined, () => {
        drawn++;
        return 0;
      });
      const picker = leastRequest({ choices })(connections, undefined, env);
      for (const connection of connections.slice(1, -1)) connection.available = false;
      assert.equal(picker.pick(callExcluding(connections[0]!)), connections.at(-1));
      assert.equal(drawn, draws);
    }
  });

  it("compares all of eight by weight, idle ones too", () => {
    const connections = weighted([8, 1, 1, 1, 1, 1, 1, 1]);
    const share = picksOf(pickerOf(connections), connections, 30_000)[0]! / 30_000;
    assert.ok(Math.abs(share - 8 / 15) < 0.02, `${share}`);
  });

  it("compares two of nine", () => {
    const connections = even(9);
    connections.forEach((connection, i) => connection.inFlight = i);
    const share = picksOf(pickerOf(connections), connections, 20_000)[0]! / 20_000;
    assert.ok(Math.abs(share - 2 / 9) < 0.02, `${share}`);
  });

  it("finds the only one that is available among many of other weights", () => {
    const connections = weighted(Array.from({ length: 500 }, (_, i) => 1 + i % 7));
    const picker = pickerOf(connections);
    for (const connection of connections) connection.available = false;
    connections[77]!.available = true;
    assert.equal(picker.pick(callExcluding()), connections[77]);
  });

  it("gives a server that is ten times slower less than 15 % of its even share", () => {
    for (const [count, options, calls] of [[10, {}, 60_000], [5, {}, 20_000], [10, { choices: 5 }, 20_000]] as const) {
      const servers = even(count).map((_, i) => ({ workers: 10, serviceMs: exponential(i === 0 ? 100 : 10) }));
      // 70 % of what they can do together.
      const perMs = 0.7 * (count - 1 + 0.1);
      const counts = simulate({
        policy: leastRequest(options),
        connections: even(count),
        servers,
        calls,
        perMs,
      });
      const share = counts[0]! / (calls / count);
      assert.ok(share < 0.15, `${count} servers: ${share}`);
    }
  });

  it("always picks one that is available and not excluded, if there is one", () => {
    const connection = fc.record({
      available: fc.boolean(),
      excluded: fc.boolean(),
      inFlight: fc.nat(3),
      weight: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
    });
    fc.assert(fc.property(fc.array(connection, { maxLength: 30 }), fc.integer({ min: 2, max: 12 }), (all, choices) => {
      const connections = weighted(all.map(({ weight }) => weight));
      all.forEach(({ available, inFlight }, i) => Object.assign(connections[i]!, { available, inFlight }));
      const excluded = connections.filter((_, i) => all[i]!.excluded);
      const fits = connections.filter((connection) => connection.available && !excluded.includes(connection));
      const picked = pickerOf(connections, choices === undefined ? {} : { choices }).pick(callExcluding(...excluded));
      if (fits.length === 0) assert.ok(picked === "wait" || picked instanceof Error);
      else assert.ok(fits.includes(picked as FakeConnection));
    }));
  });

  it("says which option is wrong", () => {
    assert.throws(() => balanced({ policy: leastRequest as never }), /Call it: leastRequest\(…\)$/);
    assert.throws(
      () => leastRequest({ choices: 1 }),
      /^RangeError: option choices is 1: expected a whole number from 2$/,
    );
    assert.throws(() => leastRequest({ choice: 2 } as never), /^TypeError: .*did you mean choices\?$/);
  });
});
