import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Picker } from "../../src/policy/policy.ts";
import { ringHash, type RingHashOptions } from "../../src/policy/ring-hash.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { balanced } from "../support/balanced.ts";
import { type FakeConnection, fakeConnection, fakeEnvironment, weighted } from "../support/fake-connections.ts";
import { keyed } from "../support/simulation.ts";

const even = (count: number) => weighted(Array.from({ length: count }, () => undefined));
const idle = (count: number) =>
  even(count).map((connection) => Object.assign(connection, { state: "idle", available: false }));
const failing = (connection: FakeConnection) =>
  Object.assign(connection, { state: "transient_failure", available: false, failure: new Error("refused") });
const ready = (connection: FakeConnection) => Object.assign(connection, { state: "ready", available: true });

function pickerOf(connections: readonly FakeConnection[], options: RingHashOptions = {}): Picker {
  return ringHash(options)(connections, undefined, fakeEnvironment());
}

const keys = Array.from({ length: 10_000 }, (_, i) => `key ${i}`);

/** The address that each key's calls go to. */
function addressesOf(picker: Picker, count = keys.length): string[] {
  return keys.slice(0, count).map((key) => (picker.pick(keyed(key)) as FakeConnection).endpoint.address);
}

describe("ringHash", () => {
  it("sends calls with the same key to the same endpoint, and all endpoints get some", () => {
    const picker = pickerOf(even(10)), addresses = addressesOf(picker);
    assert.deepEqual(addressesOf(picker), addresses);
    assert.deepEqual(addressesOf(pickerOf(even(10).reverse())), addresses, "in whatever order they come");
    const counts = Map.groupBy(addresses, (address) => address);
    assert.equal(counts.size, 10);
    for (const [address, { length }] of counts) assert.ok(length > 600 && length < 1_600, `${address}: ${length}`);
  });

  it("moves hardly any keys but those of an endpoint that leaves", () => {
    // As many points for each of 99 as for each of 100, but for one or two that rounding adds.
    for (const [options, most] of [[{}, 0.03], [{ minRingSize: 4_920, maxRingSize: 20_000 }, 0.015]] as const) {
      const all = even(100), before = addressesOf(pickerOf(all, options)), moved: number[] = [];
      for (const gone of all.slice(40, 43)) {
        const after = addressesOf(pickerOf(all.filter((connection) => connection !== gone), options));
        const changed = keys.flatMap((_, i) => before[i] === after[i] ? [] : before[i]!);
        const others = changed.filter((address) => address !== gone.endpoint.address);
        assert.ok(others.length <= 0.002 * keys.length, `${others.length} others`);
        moved.push(changed.length / keys.length);
      }
      assert.ok(moved.reduce((a, b) => a + b) / moved.length <= 0.015 && Math.max(...moved) <= most, moved.join());
    }
  });

  it("gives shares of the ring by weight", () => {
    const connections = weighted([1, 2, 5]), addresses = addressesOf(pickerOf(connections, { minRingSize: 4_096 }));
    const shares = connections.map(({ endpoint }) =>
      addresses.filter((address) => address === endpoint.address).length
    );
    [1, 2, 5].forEach((weight, i) => assert.ok(Math.abs(shares[i]! / (10_000 * weight / 8) - 1) < 0.15, shares.join()));
  });

  it("describes an endpoint by its share of the ring", () => {
    const connections = weighted([1, 3]), picker = pickerOf(connections);
    assert.deepEqual(connections.map((connection) => picker.describe!(connection)), [{ ringShare: 0.25 }, {
      ringShare: 0.75,
    }]);
    assert.equal(picker.describe!(fakeConnection("other:1")), undefined);
  });

  it("takes the key from a header, unless the call has one of its own", () => {
    const connections = even(10), picker = pickerOf(connections, { requestHashHeader: "X-User" });
    for (const key of ["ada", "grace", ""]) {
      const own = picker.pick(keyed(key));
      assert.equal(picker.pick(keyed(undefined, { "x-user": key })), own);
      assert.equal(picker.pick(keyed(key, { "x-user": "other" })), own);
    }
  });

  it("places endpoints by keys of their own", () => {
    const endpointKey = ({ metadata }: { metadata?: unknown }) => (metadata as { pod: string } | undefined)?.pod;
    const named = (address: string, i: number) => fakeConnection({ address, metadata: { pod: `pod-${i}` } });
    const before = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"].map(named), picker = pickerOf(before, { endpointKey });
    const after = ["10.0.0.7:80", "10.0.0.2:80", "10.0.0.3:80"].map(named), moved = pickerOf(after, { endpointKey });
    for (const key of keys.slice(0, 100)) {
      const was = before.indexOf(picker.pick(keyed(key)) as FakeConnection);
      assert.equal(after.indexOf(moved.pick(keyed(key)) as FakeConnection), was);
    }
    const without = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"].map((address) => fakeConnection(address));
    const byAddress = pickerOf(without), byNothing = pickerOf(without, { endpointKey });
    for (const key of keys.slice(0, 100)) assert.equal(byNothing.pick(keyed(key)), byAddress.pick(keyed(key)));
  });

  it("opens a connection when a call first needs it, and waits for that one", () => {
    const connections = idle(10), picker = pickerOf(connections);
    assert.ok(connections.every(({ state }) => state === "idle"));
    assert.equal(picker.pick(keyed("a key")), "wait");
    const opened = connections.filter(({ state }) => state === "connecting");
    assert.equal(opened.length, 1);
    for (const connection of connections) if (connection !== opened[0]) ready(connection);
    assert.equal(picker.pick(keyed("a key")), "wait", "although others are ready");
    assert.equal(picker.pick(keyed("a key")), "wait");
    ready(opened[0]!);
    assert.equal(picker.pick(keyed("a key")), opened[0]);
  });

  it("waits for a server that is up but has no room", () => {
    const connections = even(10), picker = pickerOf(connections);
    const own = picker.pick(keyed("a key")) as FakeConnection;
    own.available = false;
    assert.equal(picker.pick(keyed("a key")), "wait");
    assert.equal(own.state, "ready");
  });

  it("goes on to the next while endpoints fail, and back", () => {
    const connections = even(5), picker = pickerOf(connections), order: FakeConnection[] = [];
    while (order.length < 5) {
      const next = picker.pick(keyed("a key")) as FakeConnection;
      assert.ok(!order.includes(next));
      order.push(failing(next));
    }
    assert.equal(picker.pick(keyed("a key")), "wait", "not all failed when it was built");
    assert.match(String(pickerOf(connections).pick(keyed("a key"))), /every endpoint is failing/);
    assert.match(String(pickerOf(connections).pick(keyed(undefined))), /every endpoint is failing/);
    Object.assign(order[3]!, { state: "idle", failure: undefined });
    assert.equal(picker.pick(keyed("a key")), "wait");
    assert.equal(order[3]!.state, "connecting");
    failing(order[3]!);
    for (const connection of order.reverse()) {
      ready(Object.assign(connection, { failure: undefined }));
      assert.equal(picker.pick(keyed("a key")), connection);
    }
  });

  it("goes on to the next with a call that failed", () => {
    const connections = even(5), picker = pickerOf(connections);
    const first = picker.pick(keyed("a key")) as FakeConnection;
    const without = (...excluded: FakeConnection[]) => ({
      ...keyed("a key"),
      excluded: (c: unknown) => excluded.includes(c as never),
    });
    const second = picker.pick(without(first)) as FakeConnection;
    assert.notEqual(second, first);
    Object.assign(first, { state: "idle", available: false });
    assert.equal(picker.pick(without(first)), second, "also if its connection was lost");
    assert.equal(first.state, "idle");
    assert.equal(picker.pick(without(...connections)), "wait");
  });

  it("opens what failed again when its backoff is over", () => {
    const [a, b] = idle(2) as [FakeConnection, FakeConnection];
    a.failure = new Error("refused");
    pickerOf([a, b]);
    assert.deepEqual([a.state, b.state], ["connecting", "idle"]);
  });

  it("sends calls without a key anywhere that is ready, and opens one at most meanwhile", () => {
    const connections = even(10), picker = pickerOf(connections);
    const picked = new Set(Array.from({ length: 1_000 }, () => picker.pick(keyed(undefined))));
    assert.equal(picked.size, 10);
    const some = idle(10), other = pickerOf(some);
    for (let i = 0; i < 10; i++) assert.equal(other.pick(keyed(undefined)), "wait");
    assert.equal(some.filter(({ state }) => state === "connecting").length, 1);
    ready(some.find(({ state }) => state === "idle")!);
    for (let i = 0; i < 10; i++) assert.equal((other.pick(keyed(undefined)) as FakeConnection).state, "ready");
    assert.equal(some.filter(({ state }) => state === "connecting").length, 1, "one is already being opened");
    for (let i = 0; i < 10; i++) pickerOf(some).pick(keyed(undefined));
    assert.equal(some.filter(({ state }) => state === "connecting").length, 1);
  });

  it("sends calls without a key nowhere that they exclude, and the next on the ring gets them", () => {
    const connections = even(5), picker = pickerOf(connections), [first, second] = connections;
    const call = { ...keyed(undefined), excluded: (one: unknown) => one === first || one === second };
    const picked = new Set(Array.from({ length: 300 }, () => picker.pick(call)));
    assert.deepEqual(picked, new Set(connections.slice(2)));
    assert.equal(picker.pick({ ...call, excluded: () => true }), "wait");
  });

  it("begins with the point that is drawn for calls without a key", () => {
    const connections = even(50);
    const pickAt = (random: number) =>
      ringHash({ minRingSize: 100 })(connections, undefined, fakeEnvironment(undefined, () => random)).pick(
        keyed(undefined),
      ) as FakeConnection;
    const counts = new Map<FakeConnection, number>();
    for (let point = 0; point < 100; point++) {
      const picked = pickAt((point + 0.5) / 100);
      counts.set(picked, (counts.get(picked) ?? 0) + 1);
    }
    assert.deepEqual([...new Set(counts.values())], [2], "each has two of a hundred points");
    assert.equal(counts.size, 50);
  });

  it("has 1,024 points or more, 4,096 at most, unless told otherwise", () => {
    const sharesOf = (connections: readonly FakeConnection[], options: RingHashOptions = {}) => {
      const picker = pickerOf(connections, options);
      return connections.map((connection) => (picker.describe!(connection) as { ringShare: number }).ringShare);
    };
    // With 1,025, the first would have 257 points and the others 386 and 385.
    assert.deepEqual(sharesOf(weighted([2, 3, 3])), [0.25, 0.375, 0.375]);
    assert.deepEqual(sharesOf(weighted([2, 3, 3]), { minRingSize: 1_025 }), [257, 386, 385].map((n) => n / 1_028));
    assert.equal(sharesOf(even(5_000)).filter((share) => share > 0).length, 4_096);
    assert.equal(sharesOf(even(20), { maxRingSize: 7 }).filter((share) => share > 0).length, 7);
    assert.doesNotThrow(() => ringHash({ minRingSize: 4_096 }));
  });

  it("takes nothing over from another policy's picker, nor from one with other options", () => {
    const env = fakeEnvironment(), connections = even(5), expected = addressesOf(pickerOf(connections), 100);
    const reversed = ({ address }: { address: string }) => [...address].reverse().join("");
    for (const other of [roundRobin(), ringHash({ endpointKey: reversed })]) {
      assert.deepEqual(addressesOf(ringHash()(connections, other(connections, undefined, env), env), 100), expected);
    }
  });

  it("wants the connection that it picks, which another policy may have opened", () => {
    for (const key of ["a key", undefined]) {
      let connects = 0;
      const connections = even(3);
      for (const connection of connections) connection.connect = () => connects++;
      pickerOf(connections).pick(keyed(key));
      assert.equal(connects, 1);
    }
  });

  it("opens ahead of the calls whichever is drawn, or another that is idle", () => {
    for (const [random, expected] of [[0, 0], [0.5, 2], [0.999_999, 3]] as const) {
      const connections = idle(4);
      ringHash()(connections, undefined, fakeEnvironment(undefined, () => random)).exitIdle!();
      assert.deepEqual(connections.map(({ state }) => state === "connecting"), [0, 1, 2, 3].map((i) => i === expected));
      const some = idle(4);
      for (const connection of some.slice(1)) ready(connection);
      ringHash()(some, undefined, fakeEnvironment(undefined, () => random)).exitIdle!();
      assert.equal(some[0]!.state, "connecting");
    }
  });

  it("opens one connection ahead of the calls", () => {
    const connections = idle(10), picker = pickerOf(connections);
    picker.exitIdle!();
    picker.exitIdle!();
    assert.equal(connections.filter(({ state }) => state === "connecting").length, 1);
  });

  it("says so when there are no endpoints", () => {
    const picker = pickerOf([]);
    assert.match(String(picker.pick(keyed("a key"))), /there are no endpoints/);
  });

  it("makes a new ring only if the endpoints have changed", () => {
    let asked = 0;
    const endpointKey = () => (asked++, undefined), policy = ringHash({ endpointKey }), env = fakeEnvironment();
    const connections = even(10), first = policy(connections, undefined, env);
    assert.equal(asked, 10);
    const second = policy([...connections], first, env);
    assert.equal(asked, 10);
    connections[3]!.endpoint = { ...connections[3]!.endpoint, weight: 5 };
    const third = policy(connections, second, env);
    assert.equal(asked, 20);
    policy(connections.slice(1), third, env);
    assert.equal(asked, 29);
  });

  it("picks what is up, whatever fails and comes back", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(7), fc.boolean()), { maxLength: 20 }), fc.string(), (changes, key) => {
        const connections = even(8), picker = pickerOf(connections);
        for (const [index, up] of changes) {
          if (up) ready(Object.assign(connections[index]!, { failure: undefined }));
          else failing(connections[index]!);
          const picked = picker.pick(keyed(key)), ups = connections.filter(({ available }) => available);
          if (ups.length === 0) assert.equal(picked, "wait");
          else assert.ok(ups.includes(picked as FakeConnection));
        }
      }),
    );
  });

  it("says which option is wrong", () => {
    assert.throws(() => balanced({ policy: ringHash as never }), /Call it: ringHash\(…\)$/);
    assert.doesNotThrow(() => ringHash({ minRingSize: 1, maxRingSize: 1 }));
    assert.throws(() => ringHash({ maxRingSize: 0 }), /^RangeError: option maxRingSize is 0/);
    assert.throws(() => ringHash({ minRingSize: 0 }), /^RangeError: option minRingSize is 0/);
    assert.throws(() => ringHash({ maxRingSize: 8_388_609 }), /^RangeError: option maxRingSize/);
    assert.throws(() => ringHash({ minRingSize: 5_000 }), /expected at most maxRingSize, which is 4096$/);
    assert.doesNotThrow(() => ringHash({ maxRingSize: 10 }));
    for (const requestHashHeader of ["x-user-bin", "", "x user", 7]) {
      assert.throws(() => ringHash({ requestHashHeader } as never), /^TypeError: option requestHashHeader is /);
    }
    assert.throws(() => ringHash({ endpointKey: "pod" } as never), /^TypeError: option endpointKey is "pod"/);
  });
});
