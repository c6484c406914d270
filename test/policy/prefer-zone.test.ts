import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { leastRequest } from "../../src/policy/least-request.ts";
import { preferZone } from "../../src/policy/prefer-zone.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { subset } from "../../src/policy/subset.ts";
import { zoneShares } from "../../src/policy/zone-shares.ts";
import {
  callExcluding,
  type FakeConnection,
  fakeConnection,
  fakeEnvironment,
  picksOf,
} from "../support/fake-connections.ts";

/** So many servers in each zone; one without a name has no zone. */
function servers(counts: Readonly<Record<string, number>>): FakeConnection[] {
  return Object.entries(counts).flatMap(([zone, count]) =>
    Array.from({ length: count }, (_, i) => fakeConnection({ address: `${zone || "none"}-${i}:80`, zone }))
  );
}

function zonesOf(connections: readonly FakeConnection[], picks: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = {};
  connections.forEach(({ endpoint: { zone = "" } }, i) => counts[zone] = (counts[zone] ?? 0) + picks[i]!);
  return counts;
}

describe("the shares of zones", () => {
  const clients = { a: 50, b: 30, c: 20 };
  const usable = new Map([["a", 30], ["b", 40], ["c", 30]]);

  it("keep calls in a zone that has as many servers as clients", () => {
    assert.deepEqual([...zoneShares("b", usable, clients).values()], [0, 1, 0]);
    assert.deepEqual([...zoneShares("c", usable, clients).values()], [0, 0, 1]);
  });

  it("leave nothing to others where all zones have as many servers as clients", () => {
    assert.deepEqual([...zoneShares("a", new Map([["a", 2], ["b", 2]]), undefined).values()], [1, 0]);
    assert.deepEqual([...zoneShares("a", new Map([["a", 2], ["b", 6]]), { a: 1, b: 3 }).values()], [1, 0]);
  });

  it("take what is too much for a zone to those with servers to spare", () => {
    const [a, b, c] = [...zoneShares("a", usable, clients).values()];
    assert.ok(Math.abs(a! - 0.6) < 1e-9);
    assert.ok(Math.abs(b! - 0.2) < 1e-9 && Math.abs(c! - 0.2) < 1e-9);
  });

  it("assume as many clients in each zone unless told otherwise", () => {
    const shares = zoneShares("a", new Map([["a", 2], ["b", 4], ["c", 6]]), undefined);
    assert.ok(Math.abs(shares.get("a")! - 0.5) < 1e-9);
    assert.equal(shares.get("b"), 0);
    assert.ok(Math.abs(shares.get("c")! - 0.5) < 1e-9);
  });

  it("prefer no zone if there are fewer than two servers in the client's own", () => {
    assert.deepEqual([...zoneShares("a", new Map([["a", 1], ["b", 3]]), undefined).values()], [0.25, 0.75]);
    assert.deepEqual([...zoneShares("x", new Map([["x", 0], ["b", 3]]), undefined).values()], [0, 1]);
  });

  it("are none without servers", () => {
    assert.deepEqual([...zoneShares("a", new Map([["a", 0]]), undefined).values()], [0]);
  });

  it("are all of it for the only zone, whatever the clients", () => {
    assert.deepEqual([...zoneShares("a", new Map([["a", 3]]), { a: 1, b: 9 }).values()], [1]);
  });

  it("add up to 1", () => {
    for (const own of ["a", "b", "c", "d"]) {
      for (const given of [clients, undefined, { d: 1 }]) {
        const total = [...zoneShares(own, usable, given).values()].reduce((sum, share) => sum + share, 0);
        assert.ok(Math.abs(total - 1) < 1e-9, `${own} ${total}`);
      }
    }
  });
});

describe("preferZone", () => {
  it("keeps calls in the client's zone, each endpoint in turn", () => {
    const all = servers({ a: 3, b: 3, "": 2 });
    const picker = preferZone({ zone: "a" }, roundRobin())(all, undefined, fakeEnvironment());
    assert.deepEqual(picksOf(picker, all, 300), [100, 100, 100, 0, 0, 0, 0, 0]);
  });

  it("spreads what its zone can't take", () => {
    const all = servers({ a: 3, b: 4, c: 3 });
    const picker = preferZone({ zone: "a", clients: { a: 50, b: 30, c: 20 } })(all, undefined, fakeEnvironment());
    const { a, b, c } = zonesOf(all, picksOf(picker, all, 100_000));
    assert.ok(Math.abs(a! / 60_000 - 1) < 0.02, `${a}`);
    assert.ok(Math.abs(b! / 20_000 - 1) < 0.05 && Math.abs(c! / 20_000 - 1) < 0.05, `${b} ${c}`);
  });

  it("leaves a call to other zones while its own has no connection for it, and comes back", () => {
    const all = servers({ a: 2, b: 2 }), local = all.slice(0, 2), env = fakeEnvironment();
    const policy = preferZone({ zone: "a" }, roundRobin());
    for (const each of local) Object.assign(each, { state: "connecting", available: false });
    const early = policy(all, undefined, env);
    assert.deepEqual(picksOf(early, all, 100), [0, 0, 50, 50]);
    for (const each of local) Object.assign(each, { state: "ready", available: true });
    // Readiness may come before the next picker.
    assert.deepEqual(picksOf(early, all, 100), [50, 50, 0, 0]);
    assert.deepEqual(picksOf(early, all, 100, callExcluding(...local)), [0, 0, 50, 50]);
    for (const each of local) Object.assign(each, { available: false, failure: new Error("no answer") });
    assert.deepEqual(picksOf(policy(all, early, env), all, 100), [0, 0, 50, 50]);
  });

  it("waits while any zone may have a connection, and fails if all are failing or there are none", () => {
    const all = servers({ a: 2, b: 2 });
    const pick = (connections: readonly FakeConnection[]) =>
      preferZone({ zone: "a" })(connections, undefined, fakeEnvironment()).pick(callExcluding());
    for (const each of all) Object.assign(each, { state: "transient_failure", available: false, failure: new Error() });
    assert.equal((pick(all) as Error).message, "every endpoint is failing");
    Object.assign(all[3]!, { state: "connecting", failure: undefined });
    assert.equal(pick(all), "wait");
    assert.equal((pick([]) as Error).message, "there are no endpoints");
  });

  it("keeps the state of each zone's policy, which hears of its own calls only", () => {
    const all = servers({ a: 3, b: 3 }), env = fakeEnvironment(), policy = preferZone({ zone: "a" }, roundRobin());
    let picker = policy(all, undefined, env);
    const picked = [];
    for (let i = 0; i < 6; i++) {
      picked.push(picker.pick(callExcluding()));
      picker = policy(all, picker, env);
    }
    assert.equal(new Set(picked.slice(0, 3)).size, 3);
    assert.deepEqual(picked.slice(0, 3), picked.slice(3));
  });

  it("reports the end of attempts to the zone's picker, and closes those of zones that are gone", () => {
    const all = servers({ a: 2, b: 2 }), heard: string[] = [];
    const policy = preferZone({ zone: "a" }, (connections) => ({
      pick: () => connections[0]!,
      done: (connection) => void heard.push(`done ${connection.endpoint.address}`),
      describe: ({ endpoint }) => ({ zone: endpoint.zone }),
      exitIdle: () => void heard.push("exitIdle"),
      close: () => void heard.push(`close ${connections.length}`),
    }));
    const env = fakeEnvironment(), first = policy(all, undefined, env);
    first.done!(all[2]!, { end: "answered" } as never, callExcluding());
    assert.deepEqual(first.describe!(all[3]!), { zone: "b" });
    first.exitIdle!();
    const second = policy(all.slice(0, 2), first, env);
    second.close!();
    assert.deepEqual(heard, ["done b-0:80", "exitIdle", "exitIdle", "close 2", "close 2"]);
  });

  it("decorates policies that keep state by transport", () => {
    const all = servers({ a: 6, b: 6 }).map((each) => Object.assign(each, { state: "idle", available: false }));
    const env = fakeEnvironment(), policy = preferZone({ zone: "a" }, subset({ size: 2 }, leastRequest()));
    let picker = policy(all, undefined, env);
    const open = all.filter(({ state }) => state === "connecting");
    assert.equal(open.length, 4);
    picker = policy(all, picker, env);
    assert.deepEqual(all.filter(({ state }) => state === "connecting"), open);
  });

  it("throws for invalid options", () => {
    assert.throws(() => preferZone({} as never), { name: "TypeError", message: /option zone/ });
    assert.throws(() => preferZone({ zone: "a", clients: { a: 0 } }), /option clients/);
    assert.throws(() => preferZone({ zone: "a", clients: { a: -1 } }), /option clients/);
    assert.throws(() => preferZone({ zone: "a" }, {} as never), { name: "TypeError", message: /option policy/ });
  });
});
