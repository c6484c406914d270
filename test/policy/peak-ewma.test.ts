import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { peakEwma, type PeakEwmaOptions } from "../../src/policy/peak-ewma.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { balanced } from "../support/balanced.ts";
import {
  callExcluding,
  type FakeConnection,
  fakeConnection,
  fakeEnvironment,
  picksOf,
  weighted,
} from "../support/fake-connections.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { exponential, outcome, simulate } from "../support/simulation.ts";

const even = (count: number) => weighted(Array.from({ length: count }, () => undefined));

const took = (latencyMs: number) => ({ latencyMs });

function pickerOf(connections: readonly FakeConnection[], clock = new ManualClock()) {
  return peakEwma()(connections, undefined, fakeEnvironment(clock));
}

describe("peakEwma", () => {
  it("prefers the lower latency times calls in flight", () => {
    const [a, b] = even(2) as [FakeConnection, FakeConnection], picker = pickerOf([a, b]);
    picker.done!(a, outcome(took(30)), callExcluding());
    picker.done!(b, outcome(took(10)), callExcluding());
    assert.equal(picker.pick(callExcluding()), b);
    b.inFlight = 1;
    assert.equal(picker.pick(callExcluding()), b);
    b.inFlight = 3;
    assert.equal(picker.pick(callExcluding()), a);
    b.inFlight = 0;
    assert.equal(picker.pick(callExcluding(b)), a);
    b.available = false;
    assert.equal(picker.pick(callExcluding()), a);
    a.available = false;
    assert.equal(picker.pick(callExcluding()), "wait");
  });

  it("sends one call to a server that nothing is known about, and more once that is answered", () => {
    const [a, b] = even(2) as [FakeConnection, FakeConnection], picker = pickerOf([a, b]);
    picker.done!(a, outcome(took(30)), callExcluding());
    assert.equal(picker.pick(callExcluding()), b);
    b.inFlight = 1;
    for (let i = 0; i < 10; i++) {
      assert.equal(picker.pick(callExcluding()), a);
      a.inFlight++;
    }
    b.inFlight = 0;
    picker.done!(b, outcome(took(30)), callExcluding());
    assert.equal(picker.pick(callExcluding()), b);
  });

  it("does not wait for the end of a stream to send a server more", async () => {
    const clock = new ManualClock();
    const [a, b] = even(2) as [FakeConnection, FakeConnection], picker = pickerOf([a, b], clock);
    b.inFlight = 1;
    for (let i = 0; i < 60; i++) {
      picker.done!(a, outcome(took(10)), callExcluding());
      picker.pick(callExcluding());
      await clock.advance(1_000);
    }
    picker.done!(a, outcome(took(10)), callExcluding());
    assert.equal(picker.pick(callExcluding()), b);
  });

  it("tries a slow server again when its latency has decayed", async () => {
    const clock = new ManualClock();
    const [a, b] = even(2) as [FakeConnection, FakeConnection], picker = pickerOf([a, b], clock);
    picker.done!(a, outcome(took(100)), callExcluding());
    for (let i = 0; i < 23; i++) {
      picker.done!(b, outcome(took(10)), callExcluding());
      assert.equal(picker.pick(callExcluding()), b);
      await clock.advance(1_000);
    }
    await clock.advance(1_000);
    picker.done!(b, outcome(took(10)), callExcluding());
    assert.equal(picker.pick(callExcluding()), a);
  });

  it("knows what it knew after a change of the set, but nothing of a server that was restarted", () => {
    const policy = peakEwma(), env = fakeEnvironment();
    const [a, b] = [fakeConnection({ address: "a:1", incarnation: "1" }), fakeConnection("b:1")];
    const first = policy([a, b], undefined, env);
    first.done!(a, outcome(took(30)), callExcluding());
    first.done!(b, outcome(took(10)), callExcluding());
    const second = policy([a, b], first, env);
    assert.equal(second.pick(callExcluding()), b);
    assert.deepEqual([a, b].map((connection) => second.describe!(connection)), [{ latencyMs: 30 }, { latencyMs: 10 }]);
    a.endpoint = { ...a.endpoint, incarnation: "2" };
    assert.equal(policy([a, b], second, env).pick(callExcluding()), a);
    assert.equal(second.describe!(fakeConnection("c:1")), undefined);
  });

  it("forgets within ten seconds, and counts a failure as one, unless told otherwise", () => {
    const clock = new ManualClock(), [a, b] = even(2) as [FakeConnection, FakeConnection];
    const shown = (options: PeakEwmaOptions) => {
      const picker = peakEwma(options)([a, b], undefined, fakeEnvironment(clock));
      picker.done!(a, outcome(took(10_000)), callExcluding());
      picker.done!(b, outcome({ latencyMs: 0.1, code: Code.Unavailable }), callExcluding());
      clock.skip(10_000);
      return [a, b].map((connection) => picker.describe!(connection)!["latencyMs"]);
    };
    assert.deepEqual(shown({}), [3_678.794, 367.879]);
    assert.deepEqual(shown({ decayMs: 20_000, penaltyMs: 10_000 }), [6_065.307, 6_065.307]);
  });

  it("takes nothing over from another policy's picker, nor from one with other options", () => {
    const env = fakeEnvironment(), connections = even(2), policy = peakEwma();
    for (const other of [roundRobin(), peakEwma(), policy]) {
      const before = other(connections, undefined, env);
      before.done?.(connections[0]!, outcome(took(30)), callExcluding());
      const picker = policy(connections, before, env);
      assert.deepEqual(picker.describe!(connections[0]!), { latencyMs: other === policy ? 30 : 0 });
    }
  });

  it("compares two", () => {
    const connections = even(20), picker = pickerOf(connections);
    connections.forEach((connection, i) => picker.done!(connection, outcome(took(1 + i)), callExcluding()));
    const share = picksOf(picker, connections, 20_000)[0]! / 20_000;
    assert.ok(Math.abs(share - 2 / 20) < 0.01, `${share}`);
  });

  it("gives a server that is ten times slower less than 15 % of its even share", () => {
    for (const count of [3, 10]) {
      const servers = even(count).map((_, i) => ({ workers: 10, serviceMs: exponential(i === 0 ? 100 : 10) }));
      const perMs = 0.7 * (count - 1 + 0.1);
      const counts = simulate({ policy: peakEwma(), connections: even(count), servers, calls: 40_000, perMs });
      const share = counts[0]! / (40_000 / count);
      assert.ok(share < 0.15, `${count} servers: ${share}`);
    }
  });

  it("is not drawn to a server that fails at once", () => {
    const servers = even(5).map((_, i) => ({
      workers: 10,
      serviceMs: i === 0 ? () => 0.1 : exponential(10),
      ...i === 0 && { result: () => ({ code: Code.Internal }) },
    }));
    const counts = simulate({ policy: peakEwma(), connections: even(5), servers, calls: 40_000, perMs: 2 });
    assert.ok(counts[0]! < 0.02 * 8_000, counts.join());
  });

  it("goes on using servers that fail now and then", () => {
    const servers = even(5).map(() => ({
      workers: 10,
      serviceMs: exponential(10),
      result: (random: () => number) => random() < 0.002 ? { code: Code.Internal } : {},
    }));
    const counts = simulate({ policy: peakEwma(), connections: even(5), servers, calls: 40_000, perMs: 3 });
    for (const count of counts) assert.ok(count > 0.7 * 8_000 && count < 1.3 * 8_000, counts.join());
  });

  it("has a server of twice the weight prefer up to twice the latency", () => {
    const connections = weighted([2, 1]), picker = pickerOf(connections);
    picker.done!(connections[0]!, outcome(took(19)), callExcluding());
    picker.done!(connections[1]!, outcome(took(10)), callExcluding());
    assert.deepEqual(picksOf(picker, connections, 10), [10, 0]);
    picker.done!(connections[0]!, outcome(took(21)), callExcluding());
    assert.deepEqual(picksOf(picker, connections, 10), [0, 10]);
  });

  it("says which option is wrong", () => {
    assert.throws(() => balanced({ policy: peakEwma as never }), /Call it: peakEwma\(…\)$/);
    assert.throws(() => peakEwma({ decayMs: 0 }), /^RangeError: option decayMs is 0: expected milliseconds above 0$/);
    assert.throws(() => peakEwma({ penaltyMs: -1 }), /^RangeError: option penaltyMs/);
  });
});
