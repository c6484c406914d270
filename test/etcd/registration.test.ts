// What a registration guarantees, on a scripted etcd and a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EtcdRegistryOptions } from "../../src/etcd/options.ts";
import { createRegistryOver } from "../../src/etcd/registry.ts";
import type { RegistryEvent } from "../../src/registry/event.ts";
import type { RegisterOptions, Registration, RegistrationState, Registry } from "../../src/registry/registry.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { type Call, FakeEtcd } from "./fake-etcd.ts";

const KEY = "/grpclb/a/10.0.0.5:8000";
const down = new Error("connection refused");

function setUp(options: Partial<EtcdRegistryOptions> = {}) {
  const etcd = new FakeEtcd();
  const clock = new ManualClock();
  const events: RegistryEvent[] = [];
  const states: RegistrationState[] = [];
  let seed = 1;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const registry: Registry = createRegistryOver(() => etcd, {
    endpoints: ["e1:1"],
    clock,
    random,
    onEvent: (event) => events.push(event),
    ...options,
  });
  const register = (more: Partial<RegisterOptions> = {}): Registration =>
    registry.register({
      service: "a",
      address: "10.0.0.5:8000",
      ttlSeconds: 15,
      onState: (state) => states.push(state),
      ...more,
    });
  const types = () => events.map(({ type }) => type);
  const lease = () => etcd.keys.get(KEY)?.lease as bigint;
  return { etcd, clock, events, states, registry, register, types, lease };
}

const all = (error: Error | "hang") => () => error;
const only = (method: Call["method"], error: Error | "hang") => (call: Call) =>
  call.method === method ? error : undefined;

describe("a registration in etcd", () => {
  it("R1: never throws because etcd is away, and is ready once it is there", async () => {
    const { etcd, clock, register, states, types } = setUp();
    etcd.fault = all(down);
    const registration = register();
    await clock.advance(60_000);
    assert.equal(registration.state, "pending");
    assert.ok(types().every((type) => type === "registration-failed"));
    etcd.fault = () => undefined;
    await clock.advance(2_000);
    await registration.ready;
    assert.deepEqual(states, ["registered"]);
    assert.deepEqual(types().slice(-1), ["registered"]);
  });

  it("R1: has one lease and one loop, also where answers to its grants were lost", async () => {
    const { etcd, clock, register } = setUp();
    let lost = 3;
    etcd.lateFault = (call) => call.method === "leaseGrant" && lost-- > 0 ? down : undefined;
    const registration = register();
    await clock.advance(10_000);
    assert.equal(registration.state, "registered");
    assert.equal(etcd.leases.size, 1);
    assert.equal(new Set(etcd.calls.filter(({ method }) => method === "leaseGrant").map(({ id }) => id)).size, 1);
    const before = etcd.count("leaseKeepAlive");
    await clock.advance(15_000);
    assert.equal(etcd.count("leaseKeepAlive") - before, 3);
  });

  it("R1: its ready holds the process only while someone waits", async () => {
    const { etcd, clock, register } = setUp();
    etcd.fault = all("hang");
    const registration = register();
    await settled();
    assert.equal(clock.held, 0);
    const ready = registration.ready;
    assert.equal(clock.held, 1);
    etcd.fault = () => undefined;
    await clock.advance(8_000);
    await ready;
    assert.equal(clock.held, 0);
  });

  it("R2: keeps trying the same lease until the server says that it is gone", async () => {
    const { etcd, clock, register, states, types, lease } = setUp();
    register();
    await settled();
    const id = lease();
    etcd.fault = all(down);
    await clock.advance(120_000);
    assert.deepEqual(states, ["registered", "suspect"]);
    assert.deepEqual([...new Set(etcd.calls.slice(3).map((call) => `${call.method} ${call.id}`))], [
      `leaseKeepAlive ${id}`,
    ]);
    etcd.fault = () => undefined;
    await clock.advance(2_000);
    assert.equal(lease(), id);
    assert.equal(etcd.count("leaseGrant"), 1);
    assert.deepEqual(states, ["registered", "suspect", "registered"]);
    assert.deepEqual(types(), ["registered", "registration-suspect", "registered"]);
  });

  it("R2: is suspect once nothing succeeded for a TTL, not before", async () => {
    const { etcd, clock, register, states } = setUp();
    register();
    await settled();
    etcd.fault = all("hang");
    await clock.advance(14_999);
    assert.deepEqual(states, ["registered"]);
    await clock.advance(1);
    assert.deepEqual(states, ["registered", "suspect"]);
  });

  it("R3: grants and puts again at once when the lease is gone", async () => {
    const { etcd, clock, register, states, types, lease } = setUp();
    register();
    await settled();
    const id = lease();
    etcd.expire(id);
    await clock.advance(5_000);
    assert.notEqual(lease(), id);
    assert.equal(etcd.leases.size, 1);
    assert.deepEqual(states, ["registered", "lost", "registered"]);
    assert.deepEqual(types(), ["registered", "lease-lost", "registered"]);
  });

  it("R3: registers again when a put finds its lease gone", async () => {
    const { etcd, clock, register, lease } = setUp();
    const registration = register();
    await settled();
    etcd.lateFault = (call) => {
      if (call.method === "leaseKeepAlive") etcd.expire(call.id as bigint);
      return undefined;
    };
    await clock.advance(10_000);
    etcd.lateFault = () => undefined;
    await clock.advance(10_000);
    assert.equal(registration.state, "registered");
    assert.ok(etcd.leases.has(lease()));
  });

  it("R3: tries forever, on another endpoint each time, at most 2 s apart", async () => {
    const { etcd, clock, register } = setUp({ endpoints: ["e1:1", "e2:1", "e3:1"] });
    register();
    await settled();
    etcd.expire([...etcd.leases.keys()][0] as bigint);
    etcd.fault = only("leaseGrant", down);
    await clock.advance(5_000);
    const from = etcd.calls.length;
    await clock.advance(600_000);
    const tries = etcd.calls.slice(from);
    assert.ok(tries.length >= 300, `${tries.length} tries in 600 s`);
    assert.ok(tries.length <= 1_000, `${tries.length} tries in 600 s`);
    for (let i = 1; i < tries.length; i++) assert.notEqual(tries[i]?.endpoint, tries[i - 1]?.endpoint);
    etcd.fault = () => undefined;
    await clock.advance(2_000);
    assert.ok(etcd.keys.has(KEY));
  });

  it("R4: keeps its lease alive every third of the TTL", async () => {
    const { etcd, clock, register } = setUp();
    register();
    await clock.advance(4_999);
    assert.equal(etcd.count("leaseKeepAlive"), 0);
    await clock.advance(1);
    assert.equal(etcd.count("leaseKeepAlive"), 1);
    await clock.advance(300_000);
    assert.equal(etcd.count("leaseKeepAlive"), 61);
  });

  it("R4: goes by the TTL that etcd granted where that is longer", async () => {
    const { etcd, clock, register } = setUp();
    etcd.leastTtl = 60n;
    register();
    await clock.advance(19_999);
    assert.equal(etcd.count("leaseKeepAlive"), 0);
    await clock.advance(1);
    assert.equal(etcd.count("leaseKeepAlive"), 1);
  });

  it("R4: an unanswered keepalive gives up the session and goes to another endpoint, within the TTL", async () => {
    const { etcd, clock, register, states } = setUp({ endpoints: ["e1:1", "e2:1"] });
    register();
    await settled();
    const dead = etcd.calls[0]?.endpoint;
    etcd.fault = (call) => call.endpoint === dead ? "hang" : undefined;
    await clock.advance(13_000);
    assert.deepEqual(etcd.resets, [dead]);
    const keepalives = etcd.calls.filter(({ method }) => method === "leaseKeepAlive");
    assert.equal(keepalives.length, 2);
    assert.notEqual(keepalives[1]?.endpoint, dead);
    assert.deepEqual(states, ["registered"]);
  });

  it("R5: puts its key again when someone deleted it", async () => {
    const { etcd, clock, register, types, lease } = setUp();
    register();
    await settled();
    const id = lease();
    etcd.remove(KEY);
    await clock.advance(20_000);
    assert.equal(lease(), id);
    assert.deepEqual(types(), ["registered", "key-missing", "registered"]);
  });

  it("R5: looks at its key at once after a failure", async () => {
    const { etcd, clock, register } = setUp();
    register();
    await settled();
    etcd.remove(KEY);
    let failures = 1;
    etcd.fault = (call) => call.method === "leaseKeepAlive" && failures-- > 0 ? down : undefined;
    await clock.advance(5_200);
    assert.ok(etcd.keys.has(KEY));
  });

  it("R5: looks at its key within a second after its connection was lost", async () => {
    const { etcd, clock, register, types } = setUp({ endpoints: ["e1:1", "e2:1"], random: () => 0.25 });
    register();
    await settled();
    await clock.advance(1_000);
    etcd.remove(KEY);
    etcd.lose("e2:1");
    await clock.advance(1_000);
    assert.deepEqual([etcd.keys.has(KEY), etcd.count("leaseKeepAlive")], [false, 0], "another's connection");
    etcd.lose("e1:1");
    etcd.lose("e1:1");
    await clock.advance(1_000);
    assert.deepEqual([etcd.keys.has(KEY), etcd.count("leaseKeepAlive")], [true, 1]);
    assert.deepEqual(types(), ["registered", "key-missing", "registered"]);
  });

  it("R5: connections lost again and again shorten no backoff, and mean nothing once it is closed", async () => {
    const { etcd, clock, register } = setUp({ random: () => 0.999 });
    const registration = register();
    await settled();
    etcd.fault = (call) => {
      etcd.lose(call.endpoint);
      return down;
    };
    etcd.lose("e1:1");
    await clock.advance(60_000);
    const tries = etcd.count("leaseKeepAlive");
    assert.ok(tries > 25 && tries < 40, `${tries} tries in a minute`);
    etcd.fault = () => undefined;
    await clock.advance(5_000);
    await registration.close();
    etcd.lose("e1:1");
    assert.deepEqual(clock.pending, []);
  });

  it("R5: a connection that is lost while it looks is looked at again", async () => {
    const { etcd, clock, register } = setUp({ random: () => 0.25 });
    register();
    await settled();
    let looks = 0;
    etcd.lateFault = (call) => {
      if (call.method === "range" && looks++ === 0) {
        etcd.remove(KEY);
        etcd.lose("e1:1");
      }
      return undefined;
    };
    etcd.lose("e1:1");
    await clock.advance(2_000);
    assert.ok(looks > 1);
    assert.ok(etcd.keys.has(KEY));
  });

  it("R5: a connection that is lost behind every answer is not asked more and more", async () => {
    const { etcd, clock, register } = setUp({ random: () => 0.999 });
    register();
    await settled();
    etcd.lateFault = (call) => {
      etcd.lose(call.endpoint);
      return undefined;
    };
    etcd.lose("e1:1");
    const before = etcd.count("leaseKeepAlive");
    await clock.advance(60_000);
    const tries = etcd.count("leaseKeepAlive") - before;
    // One each third of the TTL anyway.
    assert.ok(tries >= 12 && tries < 22, `${tries} tries in a minute`);
    etcd.lateFault = () => undefined;
    await clock.advance(30_000);
    etcd.remove(KEY);
    etcd.lose("e1:1");
    await clock.advance(1_000);
    assert.ok(etcd.keys.has(KEY), "after a quiet time as soon as ever");
  });

  it("R5: leaves a key that another wrote alone, says so once, and takes it back when the other is gone", async () => {
    const { etcd, clock, register, types, states } = setUp();
    const registration = register();
    await settled();
    etcd.leases.set(99n, 60n);
    etcd.put(KEY, "10.0.0.5:8000", 99n);
    const { modRevision } = etcd.keys.get(KEY)!;
    await clock.advance(120_000);
    assert.equal(etcd.keys.get(KEY)?.modRevision, modRevision);
    assert.equal(registration.state, "lost");
    assert.deepEqual(types(), ["registered", "key-taken"]);
    const held = /held by another program, under the lease 63; it is put again when that one is gone$/;
    await assert.rejects(registration.renew(), held);
    etcd.expire(99n);
    await clock.advance(6_000);
    assert.deepEqual(states, ["registered", "lost", "registered"]);
    assert.equal(etcd.leases.size, 1);
  });

  it("R5: takes its own key over where the answer to its put was lost", async () => {
    const { etcd, clock, register, states, types } = setUp();
    register();
    await settled();
    etcd.expire([...etcd.leases.keys()][0] as bigint);
    etcd.lateFault = only("txn", down);
    etcd.fault = only("leaseRevoke", down);
    await clock.advance(8_000);
    etcd.fault = etcd.lateFault = () => undefined;
    await clock.advance(2_000);
    assert.deepEqual(states, ["registered", "lost", "registered"]);
    assert.ok(!types().includes("key-taken"));
    assert.equal(etcd.leases.size, 1);
  });

  it("R5: takes its key over from its own former lease, as a restored etcd may hold it", async () => {
    const { etcd, clock, register, states, lease } = setUp();
    register();
    await settled();
    const former = lease();
    etcd.leases.delete(former);
    await clock.advance(5_000);
    assert.deepEqual(states, ["registered", "lost", "registered"]);
    assert.notEqual(lease(), former);
  });

  it("R5: two registrations of one key: the last writer stands, and its end gives the key back", async () => {
    const one = setUp();
    const other = createRegistryOver(() => one.etcd, { endpoints: ["e1:1"], clock: one.clock });
    const first = one.register();
    await settled();
    const second = other.register({ service: "a", address: "10.0.0.5:8000", ttlSeconds: 15 });
    await one.clock.advance(60_000);
    assert.deepEqual([first.state, second.state], ["lost", "registered"]);
    // The first one's lease is lost too: it must not win by registering again.
    one.etcd.leases.delete([...one.etcd.leases.keys()][0] as bigint);
    await one.clock.advance(60_000);
    assert.deepEqual([first.state, second.state], ["lost", "registered"]);
    await second.close();
    await one.clock.advance(15_000);
    assert.equal(first.state, "registered");
  });

  it("R6: revokes the fresh lease when its put fails", async () => {
    const { etcd, clock, register } = setUp({ endpoints: ["e1:1", "e2:1"] });
    let failures = 1;
    etcd.fault = (call) => call.method === "txn" && failures-- > 0 ? down : undefined;
    const registration = register();
    await settled();
    assert.deepEqual(etcd.calls.map(({ method }) => method), ["leaseGrant", "txn", "leaseRevoke"]);
    assert.notEqual(etcd.calls[2]?.endpoint, etcd.calls[1]?.endpoint);
    assert.equal(etcd.leases.size, 0);
    await clock.advance(200);
    assert.equal(registration.state, "registered");
    assert.equal(etcd.leases.size, 1);
  });

  it("R6: uses the same lease again when it could not be revoked", async () => {
    const { etcd, clock, register, lease } = setUp();
    etcd.fault = (call) => call.method === "txn" || call.method === "leaseRevoke" ? down : undefined;
    register();
    await clock.advance(10_000);
    assert.equal(etcd.leases.size, 1);
    etcd.fault = () => undefined;
    await clock.advance(2_000);
    assert.deepEqual([...etcd.leases.keys()], [lease()]);
  });

  it("R6: update puts with the same lease, and the last of several wins", async () => {
    const { kitex } = await import("../../src/registry/layout/kitex.ts");
    const { etcd, register, clock } = setUp({ layout: kitex() });
    const registration = register({ weight: 1 });
    await settled();
    const before = [...etcd.keys.values()][0]!;
    await Promise.all([registration.update({ weight: 2 }), registration.update({ weight: 3, zone: "b" })]);
    await settled();
    const after = [...etcd.keys.values()][0]!;
    assert.equal(after.lease, before.lease);
    assert.equal(
      new TextDecoder().decode(after.value),
      '{"network":"tcp","address":"10.0.0.5:8000","weight":3,"tags":{"zone":"b"}}',
    );
    etcd.expire(after.lease);
    await clock.advance(5_000);
    assert.match(new TextDecoder().decode([...etcd.keys.values()][0]!.value), /"weight":3/);
  });

  it("R6: an update while etcd is away is made when it is back", async () => {
    const { kitex } = await import("../../src/registry/layout/kitex.ts");
    const { etcd, register, clock } = setUp({ layout: kitex() });
    const registration = register();
    await settled();
    etcd.fault = all(down);
    const updated = registration.update({ weight: 5 });
    await clock.advance(10_000);
    etcd.fault = () => undefined;
    await clock.advance(2_000);
    await updated;
    assert.match(new TextDecoder().decode([...etcd.keys.values()][0]!.value), /"weight":5/);
  });

  it("R7: close revokes the lease, and is idempotent", async () => {
    const { etcd, clock, register, states } = setUp();
    const registration = register();
    await settled();
    const closing = registration.close();
    assert.equal(registration.close(), closing);
    await closing;
    assert.equal(etcd.leases.size, 0);
    assert.equal(etcd.keys.size, 0);
    assert.equal(registration.state, "closed");
    assert.deepEqual(clock.pending, []);
    await clock.advance(60_000);
    assert.equal(etcd.count("leaseRevoke"), 1);
    assert.deepEqual(states, ["registered", "closed"]);
    await assert.rejects(registration.renew(), /closed/);
    await assert.rejects(registration.update({}), /closed/);
  });

  it("R7: close tries other endpoints, and gives up after 2 s", async () => {
    const { etcd, clock, register } = setUp({ endpoints: ["e1:1", "e2:1"] });
    const registration = register();
    await settled();
    etcd.fault = all("hang");
    let closed = false;
    const closing = registration.close().then(() => (closed = true));
    await clock.advance(1_999);
    assert.equal(closed, false);
    assert.ok(clock.held > 0);
    await clock.advance(1);
    await closing;
    assert.deepEqual(clock.pending, []);
    assert.equal(new Set(etcd.calls.slice(-2).map(({ endpoint }) => endpoint)).size, 2);
  });

  it("R7: close before success rejects ready, asks no endpoint twice, and needs no listener", async () => {
    const { etcd, clock, register } = setUp();
    etcd.fault = all(down);
    const registration = register();
    const other = register({ address: "10.0.0.6:8000" });
    await clock.advance(5_000);
    const from = etcd.calls.length;
    const closing = Promise.all([registration.close(), other.close()]);
    await clock.advance(150);
    await closing;
    assert.equal(etcd.calls.length - from, 2);
    await assert.rejects(registration.ready, /closed before it succeeded/);
  });

  it("R7: close while a grant is on its way leaves no lease behind", async () => {
    const { etcd, register } = setUp();
    etcd.lateFault = only("leaseGrant", "hang");
    const registration = register();
    await settled();
    assert.equal(etcd.leases.size, 1);
    await registration.close();
    assert.equal(etcd.leases.size, 0);
  });

  it("R7: close asks once about a lease that is gone already", async () => {
    const { etcd, register, lease } = setUp();
    const registration = register();
    await settled();
    etcd.expire(lease());
    await registration.close();
    assert.equal(etcd.count("leaseRevoke"), 1);
  });

  it("R7: close by a listener, in the middle of an event", async () => {
    const { etcd, clock, register } = setUp();
    const registration = register({ onState: (state) => state === "registered" && void registration.close() });
    await settled();
    assert.equal(registration.state, "closed");
    await registration.close();
    assert.equal(etcd.leases.size, 0);
    assert.deepEqual(clock.pending, []);
  });

  it("renew renews at once, and rejects with the reason after 10 s", async () => {
    const { etcd, clock, register } = setUp();
    const registration = register();
    await settled();
    await registration.renew();
    assert.equal(etcd.count("leaseKeepAlive"), 1);
    etcd.fault = all(down);
    const renewing = assert.rejects(registration.renew(), /connection refused/);
    await clock.advance(10_000);
    await renewing;
    assert.equal(registration.state, "registered");
  });

  it("B1: a request of a registration may take half its TTL, between 3 and 10 s, or requestTimeoutMs", async () => {
    const cases = [[10, undefined, 5_000], [2, undefined, 3_000], [60, undefined, 10_000], [10, 7_000, 7_000]] as const;
    for (
      const [ttlSeconds, requestTimeoutMs, expectedMs] of [...cases, [60, 12_000, 12_000], [10, 500, 5_000]] as const
    ) {
      const { etcd, clock, register, events } = setUp(requestTimeoutMs === undefined ? {} : { requestTimeoutMs });
      etcd.fault = all("hang");
      register({ ttlSeconds });
      await clock.advance(expectedMs - 1);
      assert.equal(events.length, 0, `TTL ${ttlSeconds} s`);
      await clock.advance(1);
      const { cause } = events[0] as { cause: Error };
      assert.match(cause.message, new RegExp(`e1:1: no answer within ${expectedMs} ms`));
    }
  });

  it("B1: a list and a watch may take requestTimeoutMs, 3 s by default", async () => {
    for (const [options, expectedMs] of [[{}, 3_000], [{ requestTimeoutMs: 8_000 }, 8_000]] as const) {
      const { etcd, clock, registry } = setUp(options);
      etcd.fault = all("hang");
      const { list } = registry.resolver("a");
      const listed = list!(new AbortController().signal).catch((error: Error) => error.message);
      let settled = false;
      void listed.then(() => (settled = true));
      await clock.advance(expectedMs - 1);
      assert.equal(settled, false);
      await clock.advance(1);
      assert.match(String(await listed), new RegExp(`no answer within ${expectedMs} ms`));
      etcd.fault = only("watch", "hang");
      const stop = new AbortController();
      const ended = (async () => {
        for await (const _ of registry.resolver("a").resolve(stop.signal));
      })();
      const watches = etcd.count("watch");
      await clock.advance(expectedMs - 1);
      assert.equal(etcd.count("watch") - watches, 1);
      await clock.advance(200);
      assert.equal(etcd.count("watch") - watches, 2);
      stop.abort();
      await ended;
    }
  });

  it("B1: lives through an etcd that takes almost half its TTL over each answer, and looks at its key meanwhile", async () => {
    const { etcd, clock, register, states } = setUp();
    register({ ttlSeconds: 10 });
    await settled();
    const askedMs: number[] = [];
    etcd.gate = ({ method }) => {
      if (method === "leaseKeepAlive") askedMs.push(clock.now());
      return new Promise((resolve) => clock.timer(4_900, resolve));
    };
    await clock.advance(120_000);
    const gaps = askedMs.slice(1).map((at, i) => at - askedMs[i]!);
    assert.ok(gaps.length > 20 && gaps.every((gap) => gap <= 5_000), `renewed after ${gaps}`);
    assert.deepEqual([states, etcd.count("leaseGrant")], [["registered"], 1]);
    etcd.remove(KEY);
    await clock.advance(25_000);
    assert.ok(etcd.keys.has(KEY));
    assert.ok(etcd.count("range") >= 5, "it looks");
  });

  it("B1: a renewal that is late is left to etcd, and made again meanwhile", async () => {
    const { etcd, clock, register } = setUp();
    register({ ttlSeconds: 12 });
    await settled();
    const cancelledMs: number[] = [];
    etcd.gate = ({ method }, signal) => {
      if (method !== "leaseKeepAlive") return undefined;
      const sentMs = clock.now();
      signal.addEventListener("abort", () => cancelledMs.push(clock.now() - sentMs));
      return new Promise(() => {});
    };
    await clock.advance(12_000);
    assert.ok(etcd.count("leaseKeepAlive") >= 2);
    assert.deepEqual(cancelledMs, []);
    await clock.advance(30_000);
    assert.ok(cancelledMs.length > 0 && cancelledMs.every((ms) => ms === 12_000), `${cancelledMs}`);
  });

  it("B3: authenticates once for all, and again when the token is refused", async () => {
    const { etcd, clock, register } = setUp({ username: "u", password: "secret" });
    etcd.password = "secret";
    register();
    register({ address: "10.0.0.6:8000" });
    await settled();
    assert.equal(etcd.keys.size, 2);
    assert.equal(etcd.count("authenticate"), 1);
    etcd.token = "token-2";
    etcd.expire([...etcd.leases.keys()][0] as bigint);
    await clock.advance(5_000);
    assert.equal(etcd.keys.size, 2);
    assert.equal(etcd.count("authenticate"), 2);
  });

  it("B3: reports a wrong password, tries again every 30 s, and recovers when it is right", async () => {
    const { etcd, clock, register, events } = setUp({ username: "u", password: "secret" });
    etcd.password = "another";
    const registration = register();
    await clock.advance(4_000);
    const other = register({ address: "10.0.0.6:8000" });
    await clock.advance(25_000);
    assert.deepEqual(events.map(({ type }) => type), ["auth-refused", "auth-refused"]);
    // The second one hears of the first one's refusal.
    assert.equal(etcd.count("authenticate"), 1);
    await other.close();
    assert.doesNotMatch((events[0] as { cause: Error }).cause.message, /secret/);
    etcd.password = "secret";
    await clock.advance(2_000);
    assert.equal(registration.state, "registered");
  });

  it("B3: keeps its lease alive where it may write but not read", async () => {
    const { etcd, clock, register, events, states } = setUp();
    register();
    await settled();
    etcd.fault = only("range", new Error("etcdserver: permission denied"));
    await clock.advance(300_000);
    assert.deepEqual(states, ["registered"]);
    const refusals = events.filter(({ type }) => type === "auth-refused").length;
    assert.ok(refusals >= 8 && refusals <= 10, `${refusals} reports in 300 s`);
  });

  it("B3: a password for an etcd without authentication is not a problem", async () => {
    const { etcd, register } = setUp({ username: "u", password: "secret" });
    const registration = register();
    await settled();
    assert.equal(registration.state, "registered");
    assert.equal(etcd.calls.at(-1)?.token, undefined);
  });

  it("B4: takes an error of any code for transient", async () => {
    const { etcd, clock, register, states } = setUp();
    register();
    await settled();
    const texts = ["canceled", "stream closed with error code CANCEL", "Premature close", "unknown", "not found"];
    etcd.fault = (call) => call.method === "leaseKeepAlive" && texts.length > 0 ? new Error(texts.shift()) : undefined;
    await clock.advance(14_000);
    assert.deepEqual(states, ["registered"]);
    assert.equal(texts.length, 0);
    assert.equal(etcd.count("leaseGrant"), 1);
  });

  it("B6: starts its backoff over only after 10 healthy seconds", async () => {
    const { etcd, clock, register, events } = setUp({ random: () => 0.5 });
    register();
    const retries = () => events.flatMap((event) => event.type === "registration-failed" ? [event.retryInMs] : []);
    const failFor = async (ms: number) => {
      for (const id of etcd.leases.keys()) etcd.expire(id);
      etcd.fault = (call) => call.method === "leaseGrant" ? down : undefined;
      events.length = 0;
      await clock.advance(ms);
      etcd.fault = () => undefined;
    };
    await clock.advance(12_000);
    await failFor(8_000);
    assert.deepEqual(retries().slice(0, 6), [50, 100, 200, 400, 800, 1_000]);
    await clock.advance(3_000);
    await failFor(6_000);
    assert.equal(retries()[0], 1_000);
    await clock.advance(16_000);
    await failFor(6_000);
    assert.equal(retries()[0], 50);
  });

  it("does nothing before it is asked to register", () => {
    const { etcd, clock, registry } = setUp({ random: () => assert.fail("randomness was used") });
    registry.resolver("a").resolve(new AbortController().signal);
    assert.deepEqual([etcd.calls, clock.pending], [[], []]);
  });
});
