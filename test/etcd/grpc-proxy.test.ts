// Registries behind etcd's grpc-proxy, over each driver.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import type { EtcdRegistryOptions } from "../../src/etcd/options.ts";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { createEtcd3Registry } from "../../src/etcd3.ts";
import type { RegistryEvent } from "../../src/registry/event.ts";
import type { Registry } from "../../src/registry/registry.ts";
import { type Etcd, etcdctl as run, etcdSkipped, startEtcd, startEtcdctl } from "../support/etcd.ts";
import { type EtcdProxy, startEtcdProxy } from "../support/etcd-proxy.ts";
import { eventually } from "../support/eventually.ts";
import type { Child } from "../support/process.ts";
import { consume, type Consumer } from "./scripted.ts";

const skip = etcdSkipped;

/** A registry, a consumer of the service "a", and what it was told. */
interface Behind {
  readonly registry: Registry;
  readonly consumer: Consumer;
  readonly events: RegistryEvent[];
}

describe("behind etcd's grpc-proxy", () => {
  let etcd: Etcd | undefined;
  const proxies: EtcdProxy[] = [];
  const opened: Behind[] = [];
  const watches: Child[] = [];

  const etcdctl = (...args: string[]): Promise<string> => run(etcd as Etcd, ...args);
  const leases = async () => (await etcdctl("lease", "list")).split("\n").filter((line) => /^[0-9a-f]{8,}$/.test(line));
  const keys = async (prefix: string) =>
    (await etcdctl("get", "--prefix", "--keys-only", prefix)).split("\n").filter((line) => line !== "");
  const startProxy = async (...args: string[]) => {
    const proxy = await startEtcdProxy(etcd as Etcd, ...args);
    proxies.push(proxy);
    return proxy;
  };
  const open = (createRegistry: (options: EtcdRegistryOptions) => Registry, options: EtcdRegistryOptions): Behind => {
    const events: RegistryEvent[] = [];
    const registry = createRegistry({ onEvent: (event) => events.push(event), ...options });
    const behind = { registry, events, consumer: consume(registry.resolver("a")) };
    opened.push(behind);
    return behind;
  };
  const overEtcd3 = (options: EtcdRegistryOptions) => createEtcd3Registry({ ...options, Etcd3 });
  /** Two registries over each driver, behind one proxy. */
  const openAll = (options: EtcdRegistryOptions) =>
    [createEtcdRegistry, createEtcdRegistry, overEtcd3, overEtcd3].map((createRegistry) =>
      open(createRegistry, options)
    );
  const registered = async (all: readonly Behind[], ttlSeconds: number) => {
    const registrations = all.map(({ registry }, i) =>
      registry.register({ service: "a", address: `127.0.0.1:${8000 + i}`, ttlSeconds })
    );
    await Promise.all(registrations.map(({ ready }) => ready));
    return registrations;
  };
  const seen = async (all: readonly Behind[], ...ports: number[]) => {
    const expected = ports.map((port) => `127.0.0.1:${port}`).join(" ");
    await eventually(`all see ${expected}`, () => all.every(({ consumer }) => consumer.now?.join(" ") === expected));
  };
  /** What would not come of a machine that is slow. */
  const troubles = (all: readonly Behind[]) =>
    all.flatMap(({ events }) =>
      events.filter((event) =>
        event.type === "watch-restarted"
          ? /cluster|term|revision/.test(event.cause.message)
          : event.type !== "registered" && !/^set-/.test(event.type)
      )
    );

  before(async () => {
    if (!skip) etcd = await startEtcd();
  });
  afterEach(async () => {
    for (const { consumer, registry } of opened.splice(0)) {
      consumer.stop();
      await consumer.ended;
      await registry.close();
    }
    for (const watch of watches.splice(0)) await watch.stop();
    await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
  });
  after(() => etcd?.stop());

  it("registrations outlive their TTLs, and all see each change, without any trouble", { skip }, async () => {
    const { url } = await startProxy();
    const all = openAll({ endpoints: [url] });
    // A lease that nobody keeps tells when more than two TTLs are over.
    const [, lease = ""] = /lease (\S+) granted/.exec(await etcdctl("lease", "grant", "12")) ?? [];
    await etcdctl("put", "alone", "", `--lease=${lease}`);
    const watch = startEtcdctl(etcd!.url, ["watch", "alone"]);
    watches.push(watch);
    const registrations = await registered(all, 5);
    const granted = (await leases()).filter((id) => id !== lease);
    await seen(all, 8000, 8001, 8002, 8003);
    await watch.line(/^DELETE$/);
    assert.deepEqual(registrations.map(({ state }) => state), all.map(() => "registered"));
    assert.equal((await keys("/grpclb/a/")).length, all.length);
    assert.deepEqual(new Set(await leases()), new Set(granted));
    await etcdctl("put", "/grpclb/a/other", "127.0.0.1:9000");
    await seen(all, 8000, 8001, 8002, 8003, 9000);
    await registrations[3]?.close();
    await etcdctl("del", "/grpclb/a/other");
    await seen(all, 8000, 8001, 8002);
    assert.deepEqual(troubles(all), []);
  });

  it("a namespace is the proxy's affair, and its restart is survived", { skip }, async () => {
    const proxy = await startProxy("--namespace=team/");
    const all = openAll({ endpoints: [proxy.url] });
    const registrations = await registered(all, 10);
    await seen(all, 8000, 8001, 8002, 8003);
    assert.equal((await keys("team//grpclb/a/")).length, all.length);
    assert.deepEqual(await keys("/grpclb/"), []);
    await proxy.restart();
    await etcdctl("put", "team//grpclb/a/other", "127.0.0.1:9000");
    await seen(all, 8000, 8001, 8002, 8003, 9000);
    await eventually("all are fresh", () => all.every(({ consumer }) => consumer.stale === undefined));
    await Promise.all(registrations.map((registration) => registration.renew()));
    assert.deepEqual(registrations.map(({ state }) => state), all.map(() => "registered"));
    await etcdctl("del", "team//grpclb/a/other");
  });

  it("one whose key was deleted, or whose lease is gone, registers again", { skip }, async () => {
    const { url } = await startProxy();
    const all = openAll({ endpoints: [url] });
    const before = await leases();
    const registrations = await registered(all, 3);
    const granted = (await leases()).filter((id) => !before.includes(id));
    for (const lease of granted.slice(0, 2)) await etcdctl("lease", "revoke", lease);
    await eventually("all are there", async () => (await keys("/grpclb/a/")).length === all.length);
    await seen(all, 8000, 8001, 8002, 8003);
    await etcdctl("del", "--prefix", "/grpclb/a/");
    await Promise.all(registrations.map((registration) => registration.renew()));
    await eventually("all are there", async () => (await keys("/grpclb/a/")).length === all.length);
    await seen(all, 8000, 8001, 8002, 8003);
  });

  // The last one: it asks everybody for a password from then on.
  it("users are etcd's: a token is had, and renewed when etcd has lost it", { skip }, async () => {
    const root = ["--user", "root:secret"];
    const { url } = await startProxy();
    for (
      const args of [["user", "add", "root:secret"], ["role", "add", "root"], ["user", "grant-role", "root", "root"]]
    ) {
      await etcdctl(...args);
    }
    await etcdctl("auth", "enable");
    const all = openAll({ endpoints: [url], username: "root", password: "secret" });
    await registered(all, 15);
    await seen(all, 8000, 8001, 8002, 8003);
    const refused = open(createEtcdRegistry, { endpoints: [url], username: "root", password: "wrong" });
    await eventually("it is refused", () => refused.events.some(({ type }) => type === "auth-refused"));
    assert.deepEqual(troubles(all), []);
    // The proxy's watches don't get over that, not even etcdctl's own: lists make up for them.
    await etcd?.restart();
    await eventually("a change is seen", async () => {
      await etcdctl(...root, "put", "/grpclb/a/other", "127.0.0.1:9000");
      return all.every(({ consumer }) => consumer.now?.includes("127.0.0.1:9000"));
    }, 60_000);
    await eventually("all are fresh", () => all.every(({ consumer }) => consumer.stale === undefined));
  });
});
