import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Connection } from "../../src/connection/connection.ts";
import { type Policy, unavailable } from "../../src/policy/policy.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { subset } from "../../src/policy/subset.ts";
import { balanced } from "../support/balanced.ts";
import {
  callExcluding,
  type FakeConnection,
  fakeConnection,
  fakeEnvironment,
  mulberry32,
  picksOf,
} from "../support/fake-connections.ts";
import { manualResolver } from "../support/manual-resolver.ts";

/** Endpoints without connections yet, in address order. */
function servers(count: number): FakeConnection[] {
  const addresses = Array.from({ length: count }, (_, i) => `10.0.0.${i + 1}:8000`).sort();
  return addresses.map((address) => fakeConnection(address, { state: "idle", available: false }));
}

/** A policy that shows what it was given, and opens it. */
function seeing(): { policy: Policy; seen: () => readonly Connection[] } {
  let seen: readonly Connection[] = [];
  return {
    policy: (connections) => {
      seen = connections;
      for (const connection of connections) connection.connect();
      return { pick: () => unavailable(connections) };
    },
    seen: () => seen,
  };
}

const addressesOf = (connections: readonly Connection[]) => connections.map(({ endpoint }) => endpoint.address);

describe("subset", () => {
  it("chooses by the hash of addresses under a seed", () => {
    const { policy, seen } = seeing(), all = servers(10);
    // The halves of the seed: 0 and 42.
    const halves = [0, 42 / 2 ** 32];
    subset({ size: 4 }, policy)(all, undefined, { ...fakeEnvironment(), random: () => halves.shift()! });
    assert.deepEqual(new Set(addressesOf(seen())), new Set([9, 5, 3, 10].map((last) => `10.0.0.${last}:8000`)));
    assert.deepEqual(addressesOf(seen()), addressesOf(all).filter((address) => addressesOf(seen()).includes(address)));
  });

  it("uses all if there are no more", () => {
    const { policy, seen } = seeing(), all = servers(4);
    subset({ size: 4 }, policy)(all, undefined, fakeEnvironment());
    assert.equal(seen(), all);
  });

  it("opens nothing outside of it, and closes what leaves it", () => {
    const { policy } = seeing(), env = fakeEnvironment(), decorated = subset({ size: 5 }, policy);
    const isOpen = ({ state }: Connection) => state !== "idle";
    let picker = decorated(servers(3), undefined, env), all = servers(3);
    for (let count = 3; count < 40; count++) {
      all = [...all, fakeConnection(`10.0.1.${count}:8000`, { state: "idle", available: false })];
      picker = decorated(all, picker, env);
      assert.equal(all.filter(isOpen).length, Math.min(5, all.length));
    }
  });

  it("leaves open what stays in it", () => {
    const { policy, seen } = seeing(),
      env = fakeEnvironment(),
      decorated = subset({ size: 5 }, policy),
      all = servers(20);
    const picker = decorated(all, undefined, env), before = [...seen()];
    let closed = 0;
    for (const connection of all) Object.assign(connection, { disconnect: () => closed++ });
    decorated(all.filter((connection) => connection !== before[0]), picker, env);
    assert.equal(closed, 1, "the one that has left");
  });

  it("leaves connections alone that it did not use", () => {
    const { policy } = seeing(), all = servers(20);
    for (const connection of all) connection.connect();
    subset({ size: 5 }, policy)(all, undefined, fakeEnvironment());
    assert.ok(all.every(({ state }) => state === "connecting"));
  });

  it("changes by one at most when an endpoint comes or goes", () => {
    const pool = servers(60);
    fc.assert(
      fc.property(fc.subarray(pool, { minLength: 2 }), fc.nat(), fc.integer({ min: 1, max: 30 }), (set, gone, size) => {
        const { policy, seen } = seeing(), env = fakeEnvironment(), decorated = subset({ size }, policy);
        const picker = decorated(set, undefined, env), before = new Set(seen());
        decorated(set.filter((_, i) => i !== gone % set.length), picker, env);
        assert.ok([...before].filter((connection) => !seen().includes(connection)).length <= 1);
        assert.ok(seen().filter((connection) => !before.has(connection)).length <= 1);
        decorated(set, picker, env);
        assert.deepEqual(new Set(seen()), before);
      }),
      { numRuns: 200 },
    );
  });

  it("spreads the connections of 1,000 clients over 200 servers", () => {
    const counts = new Map<string, number>(), random = mulberry32(7), all = servers(200);
    for (let client = 0; client < 1_000; client++) {
      const { policy, seen } = seeing();
      subset({ size: 20 }, policy)(all, undefined, { ...fakeEnvironment(), random });
      for (const address of addressesOf(seen())) counts.set(address, (counts.get(address) ?? 0) + 1);
    }
    const most = Math.max(...counts.values());
    assert.ok(most / 100 <= 1.35, `${most}`);
  });

  it("has the same part in each of a transport's pickers, and others in other policies", () => {
    const all = servers(100), env = fakeEnvironment(), parts = new Set<string>();
    for (let i = 0; i < 10; i++) {
      const { policy, seen } = seeing(), decorated = subset({ size: 10 }, policy);
      const first = decorated(all, undefined, env), part = addressesOf(seen()).join();
      decorated([...all], first, env);
      assert.equal(addressesOf(seen()).join(), part);
      parts.add(part);
    }
    assert.equal(parts.size, 10);
  });

  it("leaves the choice to the default policy unless told otherwise", () => {
    const all = servers(10).map((connection) => Object.assign(connection, { state: "ready", available: true }));
    const picker = subset({ size: 3 })(all, undefined, fakeEnvironment()), picks = picksOf(picker, all, 300);
    assert.deepEqual(picks.filter((n) => n > 0), [100, 100, 100]);
    assert.ok(
      subset({ size: 3 }, roundRobin())([], undefined, fakeEnvironment()).pick(callExcluding()) instanceof Error,
    );
  });

  it("has a transport connect to its part alone", async () => {
    const resolver = manualResolver();
    const { transport, clock, links } = balanced({ resolver, policy: subset({ size: 5 }), random: mulberry32(1) });
    const endpoints = Array.from({ length: 30 }, (_, i) => ({ address: `10.0.0.${i + 1}:8000` }));
    const connected = () =>
      [...links.values()].filter(({ opened, closed }) => opened > 0 && !closed).map(({ endpoint }) => endpoint.address);
    const connecting = transport.connect();
    resolver.tell({ endpoints });
    await clock.advance(100);
    await connecting;
    const before = connected();
    assert.equal(before.length, 5);
    resolver.tell({ endpoints: endpoints.filter(({ address }) => address !== before[0]) });
    await clock.advance(100);
    const after = connected();
    assert.equal(after.length, 5);
    assert.ok(!after.includes(before[0]!));
    // It returns, and its substitute is closed.
    resolver.tell({ endpoints });
    await clock.advance(100);
    assert.equal(transport.snapshot().endpoints!.filter(({ state }) => state === "ready").length, 5);
    await transport.close();
  });

  it("says which option is wrong", () => {
    assert.throws(() => balanced({ policy: subset as never }), /Call it: subset\(…\)$/);
    assert.throws(() => subset({} as never), /^TypeError: option size is undefined: expected a whole number from 1$/);
    assert.throws(() => subset({ size: 0 }), /^RangeError: option size is 0/);
    assert.throws(
      () => subset({ size: 1 }, roundRobin as never),
      /option policy is the function roundRobin: .*Call it: roundRobin\(…\)$/,
    );
  });
});
