import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Picker } from "../../src/policy/policy.ts";
import { rendezvousHash, type RendezvousHashOptions } from "../../src/policy/rendezvous-hash.ts";
import { Ranking, SLOTS } from "../../src/policy/rendezvous-ranking.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { balanced } from "../support/balanced.ts";
import {
  type FakeConnection,
  fakeConnection,
  fakeEnvironment,
  mulberry32,
  weighted,
} from "../support/fake-connections.ts";
import { keyed, outcome } from "../support/simulation.ts";

const even = (count: number) => weighted(Array.from({ length: count }, () => undefined));
const failing = (connection: FakeConnection) =>
  Object.assign(connection, { state: "transient_failure", available: false, failure: new Error("refused") });

function pickerOf(connections: readonly FakeConnection[], options: RendezvousHashOptions = {}): Picker {
  return rendezvousHash(options)(connections, undefined, fakeEnvironment());
}

const keys = Array.from({ length: 5_000 }, (_, i) => `key ${i}`);

function addressesOf(picker: Picker): string[] {
  return keys.map((key) => (picker.pick(keyed(key)) as FakeConnection).endpoint.address);
}

/** How many calls are in flight on the busiest connection, relative to the mean. */
function peak(connections: readonly FakeConnection[]): number {
  const total = connections.reduce((sum, { inFlight }) => sum + inFlight, 0);
  return Math.max(...connections.map(({ inFlight }) => inFlight)) / (total / connections.length);
}

/** Not all slots are looked at. */
const STEP = 8;

const membersOf = (count: number) => Array.from({ length: count }, (_, i) => `member ${i}`);

describe("a ranking", () => {
  it("is the same in each version, so that clients agree", () => {
    const ranking = new Ranking(["10.0.0.1:80", "a", "ö"], undefined);
    for (
      const [slot, ...scores] of [
        [0, 722_109_281, 88_690_643, 3_152_326_103],
        [1, 144_816_330, 1_195_369_485, 15_984_008],
        [77_777, 3_610_326_842, 3_859_720_052, 739_166_352],
        [262_143, 4_001_595_709, 2_644_923_997, 1_529_627_445],
      ] as const
    ) {
      assert.deepEqual(scores.map((_, member) => ranking.scoreOf(slot, member)), scores);
    }
  });

  it("weights with exponentially distributed numbers, in proportion to the hash and never infinite", () => {
    const equal = new Ranking(["a", "b"], undefined), unequal = new Ranking(["a", "b"], [1, 3]);
    for (let slot = 0; slot < 100; slot++) {
      for (const [member, weight] of [1, 3].entries()) {
        const expected = weight / -Math.log((equal.scoreOf(slot, member) + 0.5) / 2 ** 32);
        assert.ok(Math.abs(unequal.scoreOf(slot, member) / expected - 1) < 1e-14);
      }
    }
  });

  it("of two with the same key, has that before which comes first", () => {
    for (const weights of [undefined, [1, 1, 1]]) {
      const ranking = new Ranking(["a", "b", "a"], weights);
      const firsts = new Set(Array.from({ length: 100 }, (_, slot) => ranking.firstOf(slot)));
      assert.deepEqual([...firsts].sort(), [0, 1]);
    }
  });

  it("looks at all for the first call of a slot, and with up to 64 of them, which cost no memory, each time", () => {
    class Counting extends Ranking {
      looks = 0;
      override scoreOf(slot: number, member: number): number {
        this.looks++;
        return super.scoreOf(slot, member);
      }
    }
    const looksOf = (ranking: Counting, slot: number) => {
      const before = ranking.looks;
      ranking.firstOf(slot);
      return ranking.looks - before;
    };
    for (const [count, again] of [[1, 1], [64, 64], [65, 0], [1_000, 0]] as const) {
      const ranking = new Counting(membersOf(count), undefined), slots = Array.from({ length: 300 }, (_, i) => i);
      assert.deepEqual(new Set(slots.map((slot) => looksOf(ranking, slot))), new Set([count]));
      assert.deepEqual(new Set(slots.map((slot) => looksOf(ranking, slot))), new Set([again]));
    }
  });

  it("is the same whether or not its first is remembered", () => {
    const ranking = new Ranking(membersOf(200), Array.from({ length: 200 }, (_, i) => 1 + i % 3));
    for (let slot = 0; slot < SLOTS; slot += 4_001) {
      const scores = Array.from({ length: 200 }, (_, i) => ranking.scoreOf(slot, i));
      const best = scores.indexOf(Math.max(...scores));
      assert.equal(ranking.firstOf(slot), best);
      assert.equal(ranking.firstOf(slot), best);
    }
  });

  it("has each member first as often as its weight says", () => {
    for (const weights of [[1, 1, 1, 1], [1, 2, 3, 4], [9, 1]]) {
      const ranking = new Ranking(membersOf(weights.length), weights);
      const counts = weights.map(() => 0), total = weights.reduce((a, b) => a + b);
      for (let slot = 0; slot < SLOTS; slot += STEP) counts[ranking.firstOf(slot)]!++;
      weights.forEach((weight, i) => {
        assert.ok(Math.abs(counts[i]! / (SLOTS / STEP * weight / total) - 1) < 0.06, `${counts} for ${weights}`);
      });
    }
  });
});

describe("rendezvousHash", () => {
  it("sends calls with the same key to the same endpoint, and all endpoints get as many", () => {
    const connections = even(100), addresses = addressesOf(pickerOf(connections));
    assert.deepEqual(addressesOf(pickerOf(even(100).reverse())), addresses);
    const counts = Map.groupBy(addresses, (address) => address);
    assert.equal(counts.size, 100);
    for (const { length } of counts.values()) assert.ok(length > 25 && length < 80, `${length}`);
  });

  it("moves the keys of an endpoint that leaves, and no others, to all the rest", () => {
    for (const count of [10, 100]) {
      const all = even(count), before = addressesOf(pickerOf(all)), [gone] = all.splice(4, 1) as [FakeConnection];
      const after = addressesOf(pickerOf(all));
      const moved = keys.flatMap((_, i) => before[i] === after[i] ? [] : [[before[i], after[i]] as const]);
      for (const [from] of moved) assert.equal(from, gone.endpoint.address);
      assert.ok(moved.length <= 1.5 * keys.length / count, `${moved.length}`);
      assert.ok(new Set(moved.map(([, to]) => to)).size > 0.3 * (count - 1));
    }
  });

  it("gives shares by weight, and moves keys only to an endpoint whose weight grows", () => {
    const before = addressesOf(pickerOf(weighted([1, 2, 5]))),
      grown = weighted([1, 3, 5]),
      after = addressesOf(pickerOf(grown));
    const share = before.filter((address) => address === grown[2]!.endpoint.address).length;
    assert.ok(Math.abs(share / 3_125 - 1) < 0.06, `${share}`);
    keys.forEach((_, i) => assert.ok(before[i] === after[i] || after[i] === grown[1]!.endpoint.address));
  });

  it("goes to the next in the ranking with calls whose endpoint fails, is full, or is excluded", () => {
    for (const count of [5, 100]) {
      const connections = even(count), picker = pickerOf(connections);
      const first = picker.pick(keyed("a key")) as FakeConnection;
      const excluding = { ...keyed("a key"), excluded: (connection: unknown) => connection === first };
      const second = picker.pick(excluding) as FakeConnection;
      assert.notEqual(second, first);
      assert.equal(pickerOf(connections.filter((connection) => connection !== first)).pick(keyed("a key")), second);
      first.available = false;
      assert.equal(picker.pick(keyed("a key")), second);
      failing(first);
      assert.equal(picker.pick(keyed("a key")), second);
      assert.equal(pickerOf(connections).pick(keyed("a key")), second);
      for (const connection of connections) failing(connection);
      assert.match(String(pickerOf(connections).pick(keyed("a key"))), /every endpoint is failing/);
      assert.equal(picker.pick(keyed("a key")), "wait", "not all failed when it was built");
    }
  });

  it("opens all connections, and waits for that of a key", () => {
    const connections = even(5).map((connection) => Object.assign(connection, { state: "idle", available: false }));
    const picker = pickerOf(connections);
    assert.ok(connections.every(({ state }) => state === "connecting"));
    const own = pickerOf(even(5)).pick(keyed("a key")) as FakeConnection;
    for (const connection of connections) {
      if (connection.endpoint.address !== own.endpoint.address) {
        Object.assign(connection, { state: "ready", available: true });
      }
    }
    assert.equal(picker.pick(keyed("a key")), "wait");
    for (let i = 0; i < 100; i++) assert.equal((picker.pick(keyed(undefined)) as FakeConnection).available, true);
  });

  it("takes the key from a header, and places endpoints by keys of their own", () => {
    const endpointKey = ({ metadata }: { metadata?: unknown }) => metadata as string;
    const options = { requestHashHeader: "x-user", endpointKey };
    const before = ["pod-a", "pod-b"].map((metadata, i) => fakeConnection({ address: `10.0.0.${i}:80`, metadata }));
    const after = ["pod-b", "pod-a"].map((metadata, i) => fakeConnection({ address: `10.0.1.${i}:80`, metadata }));
    for (const key of keys.slice(0, 50)) {
      const was = pickerOf(before, options).pick(keyed(undefined, { "x-user": key })) as FakeConnection;
      const is = pickerOf(after, options).pick(keyed(key)) as FakeConnection;
      assert.equal(is.endpoint.metadata, was.endpoint.metadata);
    }
  });

  it("sends calls without a key anywhere", () => {
    const connections = even(10), picker = pickerOf(connections);
    const picked = new Set(Array.from({ length: 1_000 }, () => picker.pick(keyed(undefined))));
    assert.equal(picked.size, 10);
    assert.match(String(pickerOf([]).pick(keyed("a key"))), /there are no endpoints/);
  });

  it("sends a key to the same endpoint in each version", () => {
    const connections = even(10), picker = pickerOf(connections);
    const at = ["", "a", "user 1", "user 2", "user 3", "ö"].map((key) =>
      connections.indexOf(picker.pick(keyed(key)) as FakeConnection)
    );
    assert.deepEqual(at, [9, 1, 3, 4, 5, 5]);
  });

  it("sends all to the first endpoint of those with the same key while it is up, then to the next", () => {
    for (
      const endpointKey of [() => "same", ({ address }: { address: string }) => address > "10.0.000.001" ? "b" : "a"]
    ) {
      const connections = even(5), picker = pickerOf(connections, { endpointKey });
      const picked = () => [
        ...new Set(keys.map((key) => connections.indexOf(picker.pick(keyed(key)) as FakeConnection))),
      ];
      const up = endpointKey.length === 0 ? [[0], [1], [2]] : [[0, 1], [1], [2]];
      for (const [i, expected] of up.entries()) {
        assert.deepEqual(picked().sort(), expected);
        failing(connections[i]!);
      }
    }
  });

  it("keeps its ranking while the endpoints are the same, and makes another when one differs", () => {
    let asked = 0;
    const endpointKey = ({ address }: { address: string }) => {
      asked++;
      return address;
    };
    const env = fakeEnvironment(), policy = rendezvousHash({ endpointKey }), connections = even(3);
    const first = policy(connections, undefined, env);
    assert.equal(asked, 3);
    failing(connections[0]!);
    const second = policy([...connections], first, env);
    assert.equal(asked, 3);
    const others = even(4).slice(1), third = policy(others, second, env);
    assert.equal(asked, 6);
    assert.deepEqual(addressesOf(third), addressesOf(pickerOf(others)));
    policy(others.slice(1), third, env);
    assert.equal(asked, 8);
  });

  it("takes nothing over from another policy's picker, nor from one with other options", () => {
    const env = fakeEnvironment(), connections = even(5), expected = addressesOf(pickerOf(connections));
    const reversed = ({ address }: { address: string }) => [...address].reverse().join("");
    for (const other of [roundRobin(), rendezvousHash({ endpointKey: reversed })]) {
      assert.deepEqual(addressesOf(rendezvousHash()(connections, other(connections, undefined, env), env)), expected);
    }
  });

  it("looks at no other endpoint when the first of a key's ranking can take the call", () => {
    let looks = 0;
    const connections = even(100);
    for (const connection of connections) {
      Object.defineProperty(connection, "available", {
        get() {
          looks++;
          return true;
        },
      });
    }
    const picker = pickerOf(connections);
    looks = 0;
    for (const key of keys) picker.pick(keyed(key));
    assert.equal(looks, keys.length);
  });

  it("counts no loads without a bound", () => {
    assert.equal(pickerOf(even(3)).done, undefined);
    assert.notEqual(pickerOf(even(3), { boundedLoad: 2 }).done, undefined);
  });

  it("says which option is wrong", () => {
    assert.throws(
      () => rendezvousHash({ boundedLoad: 0.9 }),
      /^RangeError: option boundedLoad is 0.9: expected a factor from 1$/,
    );
    assert.throws(() => balanced({ policy: rendezvousHash as never }), /Call it: rendezvousHash\(…\)$/);
    assert.throws(() => rendezvousHash({ requestHashHeader: "x-bin" }), /^TypeError: option requestHashHeader/);
  });
});

describe("rendezvousHash with bounded loads", () => {
  /** Calls whose keys are as different in how often they come as words of a text (Zipf's law). */
  function zipf(random: () => number): string {
    return `key ${Math.floor(Math.exp(random() * Math.log(1_000)))}`;
  }

  it("has no endpoint exceed the mean by more than its factor, whatever the keys", () => {
    const count = 40, calls = 80 * count, connections = even(count), random = mulberry32(3);
    const picker = pickerOf(connections, { boundedLoad: 1.25 });
    for (let i = 0; i < calls; i++) (picker.pick(keyed(zipf(random))) as FakeConnection).inFlight++;
    assert.ok(peak(connections) <= 1.25, `${peak(connections)}`);
    // Calls come and go.
    for (let i = 0; i < 20_000; i++) {
      const ended = connections[Math.floor(random() * count)]!;
      if (ended.inFlight === 0) continue;
      ended.inFlight--;
      picker.done!(ended, outcome(), keyed(undefined));
      (picker.pick(keyed(zipf(random))) as FakeConnection).inFlight++;
      if (i % 1_000 === 0) assert.ok(peak(connections) <= 1.25, `${peak(connections)}`);
    }
    const free = even(count), without = pickerOf(free);
    for (let i = 0; i < calls; i++) (without.pick(keyed(zipf(random))) as FakeConnection).inFlight++;
    assert.ok(peak(free) > 2, `the keys are as uneven as ${peak(free)}`);
  });

  it("gives keys back to their own endpoint when that has room", () => {
    const connections = even(10), picker = pickerOf(connections, { boundedLoad: 1.25 });
    const own = picker.pick(keyed("a key")) as FakeConnection;
    own.inFlight++;
    const other = picker.pick(keyed("a key")) as FakeConnection;
    assert.notEqual(other, own, "one of two calls is more than 1.25 times the mean of ten");
    own.inFlight--;
    picker.done!(own, outcome(), keyed(undefined));
    assert.equal(picker.pick(keyed("a key")), own);
  });

  it("does not count picks that were not used for good", () => {
    const connections = even(4), picker = pickerOf(connections, { boundedLoad: 1.25 });
    const own = picker.pick(keyed("a key")) as FakeConnection;
    for (let i = 0; i < 1_000; i++) picker.pick(keyed("a key"));
    own.inFlight = 1;
    assert.notEqual(picker.pick(keyed("a key")), own);
  });

  it("counts by weight, and only what can take calls", () => {
    const connections = weighted([3, 1]), picker = pickerOf(connections, { boundedLoad: 1 });
    for (let i = 0; i < 400; i++) (picker.pick(keyed(`key ${i % 20}`)) as FakeConnection).inFlight++;
    assert.deepEqual(connections.map(({ inFlight }) => inFlight), [300, 100]);
    const halves = even(4);
    for (const connection of halves.slice(2)) failing(connection);
    const rest = pickerOf(halves, { boundedLoad: 1 });
    for (let i = 0; i < 100; i++) (rest.pick(keyed("a key")) as FakeConnection).inFlight++;
    assert.deepEqual(halves.map(({ inFlight }) => inFlight), [50, 50, 0, 0]);
  });

  it("goes beyond the bound rather than fail, if others can't take a call", () => {
    const connections = even(3), picker = pickerOf(connections, { boundedLoad: 1 });
    for (const connection of connections.slice(1)) connection.available = false;
    for (let i = 0; i < 10; i++) (picker.pick(keyed("a key")) as FakeConnection).inFlight++;
    assert.equal(connections[0]!.inFlight, 10);
  });

  it("keeps counting when the set changes, also calls that earlier pickers made", () => {
    const policy = rendezvousHash({ boundedLoad: 1.25 }), env = fakeEnvironment(), connections = even(4);
    const first = policy(connections, undefined, env);
    for (let i = 0; i < 400; i++) (first.pick(keyed("a key")) as FakeConnection).inFlight++;
    const second = policy(connections.slice(0, 2), first, env);
    for (const connection of connections) {
      while (connection.inFlight > 0) {
        connection.inFlight--;
        first.done!(connection, outcome(), keyed(undefined));
      }
    }
    for (let i = 0; i < 80; i++) (second.pick(keyed("a key")) as FakeConnection).inFlight++;
    assert.deepEqual(connections.map(({ inFlight }) => inFlight).sort((a, b) => b - a), [50, 30, 0, 0]);
  });
});
