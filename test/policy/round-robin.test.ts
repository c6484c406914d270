import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Connection } from "../../src/connection/connection.ts";
import type { CallInfo, Picker } from "../../src/policy/policy.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { balanced } from "../support/balanced.ts";

interface Fake extends Connection {
  available: boolean;
  failure: Error | undefined;
  connects: number;
}

function fake(address: string, available = true): Fake {
  const connection = {
    endpoint: { address },
    state: available ? "ready" as const : "idle" as const,
    available,
    inFlight: 0,
    failure: undefined,
    place: 0,
    connects: 0,
    connect: () => void connection.connects++,
    disconnect() {},
  };
  return connection;
}

const call = (excluded: readonly Connection[] = []) =>
  ({ excluded: (connection: Connection) => excluded.includes(connection) }) as unknown as CallInfo;

const env = (random = 0) => ({
  now: () => 0,
  random: () => random,
  update() {},
  timer: () => ({ cancel() {} }),
  transport: () => undefined,
});

function picks(picker: Picker, count: number): string[] {
  return Array.from({ length: count }, () => {
    const picked = picker.pick(call());
    return typeof picked === "object" && "endpoint" in picked ? picked.endpoint.address : String(picked);
  });
}

describe("roundRobin", () => {
  it("picks in cyclic address order", () => {
    const picker = roundRobin()([fake("a:1"), fake("b:1"), fake("c:1")], undefined, env());
    assert.deepEqual(picks(picker, 7), ["a:1", "b:1", "c:1", "a:1", "b:1", "c:1", "a:1"]);
  });

  it("begins at a random place", () => {
    const picker = roundRobin()([fake("a:1"), fake("b:1"), fake("c:1")], undefined, env(0.5));
    assert.deepEqual(picks(picker, 3), ["b:1", "c:1", "a:1"]);
  });

  it("goes on behind the address picked last, when that endpoint has gone too", () => {
    const policy = roundRobin();
    const [a, b, c, d] = [fake("a:1"), fake("b:1"), fake("c:1"), fake("d:1")];
    const first = policy([a, b, c], undefined, env());
    assert.deepEqual(picks(first, 2), ["a:1", "b:1"]);
    const second = policy([a, c, d], first, env());
    assert.deepEqual(picks(second, 3), ["c:1", "d:1", "a:1"]);
  });

  it("goes on with the first endpoint when all lie behind the one picked last", () => {
    const policy = roundRobin();
    const first = policy([fake("a:1")], undefined, env());
    assert.deepEqual(picks(first, 1), ["a:1"]);
    assert.deepEqual(picks(policy([fake("b:1"), fake("c:1")], first, env()), 2), ["b:1", "c:1"]);
  });

  it("skips what is no longer available, and what the call excludes", () => {
    const [a, b, c] = [fake("a:1"), fake("b:1"), fake("c:1")];
    const picker = roundRobin()([a, b, c], undefined, env());
    b.available = false;
    assert.equal(picker.pick(call([a])), c);
    c.available = a.available = false;
    assert.equal(picker.pick(call()), "wait");
  });

  it("opens idle connections, wants those that are open, too, and waits while one may become ready", () => {
    const [a, b] = [fake("a:1", false), fake("b:1", false)];
    b.failure = new Error("refused");
    const picker = roundRobin()([a, b], undefined, env());
    assert.deepEqual([a.connects, b.connects], [1, 1]);
    assert.equal(picker.pick(call()), "wait");
    const ready = fake("c:1");
    roundRobin()([ready], undefined, env());
    assert.equal(ready.connects, 1);
  });

  it("gives calls to a connection from the moment it is ready, before the next picker", () => {
    const [a, b] = [fake("a:1"), fake("b:1", false)];
    const picker = roundRobin()([a, b], undefined, env());
    assert.deepEqual(picks(picker, 2), ["a:1", "a:1"]);
    b.available = true;
    assert.deepEqual(picks(picker, 2), ["b:1", "a:1"]);
  });

  it("says an error when every connection fails, also while they try again, and when there is none", () => {
    const a = fake("a:1", false);
    a.failure = new Error("refused");
    assert.ok(roundRobin()([a], undefined, env()).pick(call()) instanceof Error);
    assert.ok(roundRobin()([], undefined, env()).pick(call()) instanceof Error);
  });

  it("keeps its place while nothing is available", () => {
    const policy = roundRobin();
    const set = [fake("a:1"), fake("b:1"), fake("c:1")];
    const first = policy(set, undefined, env());
    assert.deepEqual(picks(first, 1), ["a:1"]);
    const second = policy([], first, env());
    assert.deepEqual(picks(policy(set, second, env()), 1), ["b:1"]);
  });

  it("takes no options, and says so where it is passed on uncalled", () => {
    assert.throws(() => roundRobin({ weight: 1 } as never), /^TypeError: roundRobin\(\) has no option "weight"/);
    assert.throws(
      () => balanced({ policy: roundRobin as never }),
      /^TypeError: option policy is the function roundRobin: .*Call it: roundRobin\(…\)$/,
    );
  });

  it("picks no survivor twice before every other survivor once, whatever comes and goes", () => {
    const addresses = Array.from({ length: 8 }, (_, i) => `host-${i}:1`);
    fc.assert(fc.property(
      fc.array(fc.tuple(fc.subarray(addresses, { minLength: 1 }), fc.nat(12)), { minLength: 1, maxLength: 12 }),
      (changes) => {
        const policy = roundRobin();
        let picker: Picker | undefined;
        const picked: string[] = [];
        for (const [set, count] of changes) {
          picker = policy(set.toSorted().map((address) => fake(address)), picker, env());
          picked.push(...picks(picker, count));
        }
        const survivors = addresses.filter((address) => changes.every(([set]) => set.includes(address)));
        for (const survivor of survivors) {
          const places = picked.flatMap((address, i) => (address === survivor ? [i] : []));
          for (let k = 1; k < places.length; k++) {
            const between = picked.slice(places[k - 1]! + 1, places[k]);
            for (const other of survivors) {
              if (other !== survivor) assert.equal(between.filter((address) => address === other).length, 1);
            }
          }
        }
      },
    ));
  });
});
