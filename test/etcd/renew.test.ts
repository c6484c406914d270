// `renew` and `deregister`: registrations by hosts that can't keep one, on a scripted etcd and a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { transportConnector } from "../../src/connection/transport-connector.ts";
import { createConnectDriver } from "../../src/etcd/driver/connect/connect-driver.ts";
import { createRegistryOver } from "../../src/etcd/registry.ts";
import { RequestRegistry } from "../../src/etcd/request-registry.ts";
import { etcdNaming } from "../../src/registry/layout/etcd-naming.ts";
import type { Registry, RenewOptions } from "../../src/registry/registry.ts";
import { createMemoryEtcd, createMemoryRegistry } from "../../src/testing.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { setUp } from "./scripted.ts";

const server: RenewOptions = { service: "a", address: "10.0.0.5:8000", ttlSeconds: 60 };
/** One that stores attributes, with keys like those of the default one. */
const layout = etcdNaming({ prefix: "/grpclb" });
const KEY = "/grpclb/a/10.0.0.5:8000";
const list = async (registry: Registry) =>
  (await registry.resolver("a").list!(new AbortController().signal)).endpoints?.map(({ address }) => address);

describe("a registry that lives in requests", () => {
  it("refuses what would end with them, and says that the registry for Durable Objects is only for those", async () => {
    const { etcd } = setUp();
    const registry = new RequestRegistry({ createDriver: () => etcd }, { endpoints: ["e1:1"] });
    const expected = {
      code: Code.FailedPrecondition,
      message: /a Durable Object \(createBalancerObject\); only there, createObj/,
    };
    assert.throws(() => registry.register({ ...server, service: "" }), /service name "" is empty/);
    assert.throws(() => registry.register(server), expected);
    const watch = registry.resolver("a").resolve(new AbortController().signal);
    await assert.rejects(watch[Symbol.asyncIterator]().next(), expected);
    await registry.close();
  });
});

describe("renew and deregister, on a scripted etcd", () => {
  it("write the entry under a lease, renew it, and remove it at once", async () => {
    const { etcd, registry, clock } = setUp();
    assert.equal(await registry.renew(server), "registered");
    const lease = etcd.keys.get(KEY)?.lease as bigint;
    assert.deepEqual([...etcd.leases], [[lease, 60n]]);
    assert.ok(lease > 0n && lease < 2n ** 63n);
    const { revision } = etcd;
    assert.equal(await registry.renew(server), "renewed");
    assert.deepEqual([etcd.revision, etcd.count("leaseGrant"), etcd.count("leaseKeepAlive")], [revision, 1, 1]);
    await registry.deregister(server);
    assert.deepEqual([etcd.keys.size, etcd.leases.size], [0, 0]);
    await registry.deregister(server);
    assert.deepEqual(clock.pending, []);
    await registry.close();
  });

  it("agree on the lease with every call that has the same service, address and TTL, and with no other", async () => {
    const { etcd, registry } = setUp({ random: () => 0.1 });
    await registry.renew(server);
    const [id] = etcd.leases.keys();
    const another = createRegistryOver(() => etcd, { endpoints: ["e1:1"], random: () => 0.9 });
    assert.equal(await another.renew(server), "renewed");
    const others = [
      { ...server, service: "b" },
      { ...server, address: "10.0.0.6:8000" },
      { ...server, ttlSeconds: 61 },
    ];
    for (const other of others) await another.renew(other);
    assert.deepEqual([etcd.leases.size, [...etcd.leases.keys()][0]], [4, id]);
    await another.close();
    assert.equal(etcd.keys.size, 3);
    // The TTL was changed: the entry has moved to the new lease, and the old one ends by itself.
    assert.notEqual(etcd.keys.get(KEY)?.lease, id);
    await registry.close();
  });

  it("write the entry again if it was deleted, is another's, or has other attributes", async () => {
    const { etcd, registry } = setUp({ layout });
    await registry.renew(server);
    etcd.remove(KEY);
    assert.equal(await registry.renew(server), "registered");
    etcd.put(KEY, etcd.keys.get(KEY)!.value, 5n);
    assert.equal(await registry.renew(server), "registered");
    assert.equal(await registry.renew({ ...server, metadata: { version: 2 } }), "registered");
    assert.equal(await registry.renew({ ...server, metadata: { version: 2 } }), "renewed");
    assert.equal(etcd.leases.size, 1);
    etcd.expire([...etcd.leases.keys()][0]!);
    assert.equal(await registry.renew(server), "registered");
    assert.deepEqual(await list(registry), [server.address]);
    await registry.close();
  });

  it("leave a lease alone that holds another's keys, whatever its id", async () => {
    const { etcd, registry } = setUp();
    await registry.renew(server);
    const [id] = etcd.leases.keys();
    etcd.remove(KEY);
    etcd.put("/foreign", "1", id);
    assert.equal(await registry.renew(server), "registered");
    assert.equal(await registry.renew(server), "renewed");
    assert.equal(etcd.leases.size, 2);
    assert.notEqual(etcd.keys.get(KEY)?.lease, id);
    await registry.deregister(server);
    assert.deepEqual([[...etcd.keys.keys()], [...etcd.leases.keys()]], [["/foreign"], [id]]);
    // All of its ids are taken.
    for (let n = 0; n < 4; n++) {
      if (n > 0) await registry.renew(server);
      const { lease } = etcd.keys.get(KEY) ?? { lease: 0n };
      etcd.remove(KEY);
      if (n > 0) etcd.put(`/foreign/${n}`, "1", lease);
    }
    await assert.rejects(registry.renew(server), /lease ids of 10\.0\.0\.5:8000 hold other keys/);
    await registry.close();
  });

  it("don't fight when several renew at once, and one may remove what the other writes", async () => {
    const { etcd, registry } = setUp({ layout });
    const another = createRegistryOver(() => etcd, { endpoints: ["e1:1"], layout });
    const first = await Promise.all([registry, another, registry, another].map((each) => each.renew(server)));
    assert.ok(first.every((renewal) => renewal === "registered"));
    assert.deepEqual([etcd.leases.size, etcd.keys.size], [1, 1]);
    const again = await Promise.all([registry, another].map((each) => each.renew(server)));
    assert.deepEqual(again, ["renewed", "renewed"]);
    // The lease is revoked between its renewal and the put of new attributes.
    etcd.fault = ({ method }) => {
      if (method === "txn") {
        etcd.fault = () => undefined;
        for (const id of etcd.leases.keys()) etcd.expire(id);
      }
      return undefined;
    };
    const { clock } = setUp();
    const renewing = createRegistryOver(() => etcd, { endpoints: ["e1:1"], layout, clock, random: () => 0.5 });
    const renewed = renewing.renew({ ...server, metadata: { version: 2 } });
    await clock.advance(2_000);
    assert.equal(await renewed, "registered");
    assert.deepEqual([etcd.leases.size, etcd.keys.size], [1, 1]);
    for (const each of [registry, another, renewing]) await each.close();
  });

  it("try other endpoints, and again after a pause, but not for longer than 10 s", async () => {
    const { etcd, registry, clock } = setUp({ endpoints: ["e1:1", "e2:1"] });
    etcd.fault = ({ endpoint }) => endpoint === "e2:1" ? new Error("away") : undefined;
    assert.equal(await registry.renew(server), "registered");
    let faults = 0;
    etcd.fault = () => faults++ < 6 ? new Error("away") : undefined;
    const renewing = registry.renew(server);
    await clock.advance(1_000);
    assert.equal(await renewing, "renewed");
    etcd.fault = () => new Error("away");
    const failing = assert.rejects(registry.renew(server), /^EtcdError: etcd at e\d:1: away$/);
    const hanging = setUp();
    hanging.etcd.fault = () => "hang";
    const late = assert.rejects(hanging.registry.renew(server), /no answer within|did not answer within/);
    await Promise.all([clock.advance(10_000), hanging.clock.advance(10_000)]);
    await Promise.all([failing, late]);
    assert.deepEqual([clock.pending, hanging.clock.pending], [[], []]);
    await Promise.all([registry.close(), hanging.registry.close()]);
  });

  it("write other attributes of the same length, under the lease that is there", async () => {
    const { etcd, registry } = setUp({ layout });
    await registry.renew({ ...server, metadata: { version: 2 } });
    assert.equal(await registry.renew({ ...server, metadata: { version: 3 } }), "registered");
    assert.match(new TextDecoder().decode(etcd.keys.get(KEY)!.value), /"version":3/);
    assert.deepEqual([etcd.count("leaseGrant"), etcd.count("leaseKeepAlive")], [1, 1]);
    await registry.close();
  });

  it("grant the lease again when it ends while it is renewed", async () => {
    const { etcd, registry } = setUp();
    await registry.renew(server);
    etcd.fault = (call) => {
      if (call.method === "leaseKeepAlive") etcd.expire(call.id as bigint);
      return undefined;
    };
    assert.equal(await registry.renew(server), "registered");
    assert.deepEqual([etcd.count("leaseGrant"), etcd.keys.size], [2, 1]);
    await registry.close();
  });

  it("revoke nothing where there is no lease", async () => {
    const { etcd, registry } = setUp();
    await registry.deregister(server);
    assert.deepEqual(etcd.calls.map(({ method }) => method), ["leaseTimeToLive"]);
    await registry.close();
  });

  it("refuse attributes that the layout can't store before they ask etcd", async () => {
    const { etcd, registry, clock } = setUp();
    await assert.rejects(registry.renew({ ...server, weight: 2 }), /weight/);
    await assert.rejects(registry.deregister({ ...server, weight: 2 }), /weight/);
    assert.deepEqual([etcd.calls, clock.pending], [[], []]);
    await registry.close();
  });

  it("keep the process alive while they ask, and between attempts", async () => {
    const { etcd, registry, clock } = setUp();
    etcd.fault = ({ method }) => method === "range" ? new Error("away") : undefined;
    const renewing = registry.renew(server);
    await settled();
    assert.deepEqual([clock.held, clock.pending], [1, [50, 10_000]]);
    etcd.fault = () => "hang";
    await clock.advance(50);
    assert.equal(clock.held, 1);
    const late = assert.rejects(renewing, /^EtcdError: etcd at e1:1: away$/, "the last failure says why");
    await clock.advance(9_950);
    await late;
    assert.deepEqual(clock.pending, []);
    await registry.close();
  });

  it("end after 10 s without an answer, and earlier when there is no time for another attempt", async () => {
    const { etcd, registry, clock } = setUp();
    etcd.fault = () => "hang";
    let error: unknown;
    const asked = (renewing: Promise<unknown>) => renewing.catch((thrown) => (error = thrown));
    const silent = asked(registry.renew(server));
    await clock.advance(9_999);
    assert.equal(error, undefined);
    await clock.advance(1);
    assert.match(String(error), /^EtcdError: etcd did not answer within 10000 ms$/);
    await silent;
    error = undefined;
    etcd.fault = () => undefined;
    etcd.gate = () =>
      new Promise((_, reject) => {
        clock.timer(9_950, () => reject(new Error("away")));
      });
    const failing = asked(registry.renew(server));
    await clock.advance(9_949);
    assert.equal(error, undefined);
    await clock.advance(1);
    assert.match(String(error), /^EtcdError: etcd at e1:1: away$/);
    await failing;
    await registry.close();
  });

  it("give an endpoint half of the TTL to answer, and then ask the next", async () => {
    const { etcd, registry, clock } = setUp({ endpoints: ["e1:1", "e2:1"], random: () => 0 });
    etcd.fault = ({ endpoint }) => endpoint === "e1:1" ? "hang" : undefined;
    const renewing = registry.renew({ ...server, ttlSeconds: 8 });
    await clock.advance(3_999);
    assert.ok(etcd.calls.every(({ endpoint }) => endpoint === "e1:1"));
    await clock.advance(1);
    assert.equal(await renewing, "registered");
    await registry.close();
  });

  it("reject when a lease can't be granted, or not be revoked", async () => {
    const { etcd, registry, clock } = setUp();
    const denied = new Error("etcdserver: permission denied");
    etcd.fault = ({ method }) => method === "leaseGrant" ? denied : undefined;
    await assert.rejects(registry.renew(server), /permission denied/);
    etcd.fault = ({ method }) => method === "leaseRevoke" ? denied : undefined;
    await registry.renew(server);
    await assert.rejects(registry.deregister(server), /permission denied/);
    assert.deepEqual(clock.pending, []);
    await registry.close();
  });

  it("reject at once while a wrong password is not tried again", async () => {
    const { etcd, registry, clock } = setUp({ username: "u", password: "wrong" });
    etcd.password = "secret";
    await assert.rejects(registry.renew(server), /invalid user ID or password/);
    await clock.advance(25_000);
    await assert.rejects(registry.renew(server), /invalid user ID or password/);
    assert.deepEqual([etcd.count("authenticate"), clock.pending], [1, []]);
    await registry.close();
  });

  it("reject at once what etcd refuses the user", async () => {
    const { etcd, registry, clock } = setUp();
    etcd.fault = () => new Error("etcdserver: permission denied");
    await assert.rejects(registry.renew(server), /permission denied/);
    await assert.rejects(registry.deregister(server), /permission denied/);
    assert.deepEqual(clock.pending, []);
    await registry.close();
  });

  it("reject invalid options, and a closed registry", async () => {
    for (const registry of [setUp().registry, createMemoryRegistry()]) {
      const wrong: readonly (readonly [options: object, text: RegExp])[] = [
        [{ ttlSeconds: undefined }, /option ttlSeconds is undefined: expected whole seconds/],
        [{ ttlSeconds: 1.5 }, /ttlSeconds/],
        [{ address: "0.0.0.0:80" }, /wildcard/],
        [{ service: "" }, /service name/],
        [{ weight: -1 }, /weight/],
        [{ onState: () => {} }, /renew\(\) has no option "onState"|deregister\(\) has no option "onState"/],
      ];
      for (const [options, text] of wrong) {
        const given = { ...server, ...options } as RenewOptions;
        await assert.rejects(registry.renew(given), text);
        await assert.rejects(registry.deregister(given), text);
      }
      await registry.close();
      await assert.rejects(registry.renew(server), /closed/);
      await assert.rejects(registry.deregister(server), /closed/);
    }
  });
});

describe("renew and deregister, by the clock", () => {
  it("keep the entry in an etcd through five TTLs; without them it is gone after one", async () => {
    const clock = new ManualClock();
    const etcd = createMemoryEtcd({ clock });
    const driver = () => createConnectDriver(transportConnector(() => etcd.transport()));
    const registry = createRegistryOver(driver, { endpoints: ["memory:1"], clock });
    const turned = async <T>(promise: Promise<T>): Promise<T> => {
      const ended = promise.finally(() => (over = true));
      let over = false;
      while (!over) await clock.advance(0);
      return await ended;
    };
    assert.equal(await turned(registry.renew(server)), "registered");
    for (let third = 0; third < 15; third++) {
      await clock.advance(20_000);
      assert.equal(await turned(registry.renew(server)), "renewed");
      assert.deepEqual(await turned(list(registry)), [server.address]);
    }
    await clock.advance(59_000);
    assert.deepEqual(await turned(list(registry)), [server.address]);
    await clock.advance(2_000);
    assert.deepEqual(await turned(list(registry)), []);
    await registry.close();
    await etcd.close();
  });

  it("do the same in the registry in memory", async () => {
    const clock = new ManualClock();
    const registry = createMemoryRegistry({ clock });
    assert.equal(await registry.renew(server), "registered");
    for (let third = 0; third < 15; third++) {
      await clock.advance(20_000);
      assert.equal(await registry.renew(server), "renewed");
    }
    assert.equal(await registry.renew({ ...server, weight: 2 }), "registered");
    await clock.advance(59_000);
    assert.deepEqual(await list(registry), [server.address]);
    await clock.advance(2_000);
    assert.deepEqual(await list(registry), []);
    await registry.renew(server);
    await registry.deregister(server);
    assert.deepEqual([await list(registry), clock.pending], [[], []]);
    // The last writer wins.
    await registry.renew(server);
    const registration = registry.register({ service: "a", address: server.address });
    await registration.ready;
    await registry.deregister(server);
    assert.deepEqual(await list(registry), [server.address]);
    await registry.renew(server);
    await registry.close();
    assert.deepEqual(clock.pending, []);
  });
});
