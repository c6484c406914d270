// A service config under a key of etcd, live, over each driver.
import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { Etcd3 } from "etcd3";
import { KV } from "../../gen/etcd/rpc_pb.ts";
import { Simple } from "../../gen/simple_pb.ts";
import type { BalancerEvent } from "../../src/balancer/event.ts";
import { transportConnector } from "../../src/connection/transport-connector.ts";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { createEtcd3Registry } from "../../src/etcd3.ts";
import { createGatewayRegistry } from "../../src/etcd-gateway.ts";
import type { EtcdRegistry } from "../../src/etcd/etcd-registry.ts";
import type { EtcdRegistryOptions } from "../../src/etcd/options.ts";
import { pickFirst } from "../../src/policy/pick-first.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import type { RegistryEvent } from "../../src/registry/event.ts";
import { withServiceConfig } from "../../src/service-config/with-service-config.ts";
import { createMemoryEtcd } from "../../src/testing.ts";
import { createPullTransport } from "../../src/transport/pull.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { type Etcd, etcdctl, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { simpleRoutes } from "../support/simple.ts";
import { bytes } from "./drivers.ts";

const KEY = "/service-config.simple";
const policies = { round_robin: roundRobin(), pick_first: pickFirst() };

/** A config that chooses a policy, as text. */
const choosing = (policy: string, more = ""): string =>
  JSON.stringify({ loadBalancingConfig: [{ [policy]: {} }], more });

/** What writes keys. */
interface Store {
  put(key: string, value: string): Promise<unknown>;
  remove(key: string): Promise<unknown>;
}

/** A registry over one of the drivers, and another way to the same keys. */
interface Opened {
  readonly registry: EtcdRegistry;
  readonly store: Store;
}

let etcd: Etcd;
before(async () => {
  if (!etcdSkipped) etcd = await startEtcd();
});
after(() => etcd?.stop());

const real: Store = {
  put: (key, value) => etcdctl(etcd, "put", key, value),
  remove: (key) => etcdctl(etcd, "del", key),
};

function inMemory(options: Omit<EtcdRegistryOptions, "endpoints">): Opened {
  const transport = createMemoryEtcd().transport(), kv = createClient(KV, transport);
  const connector = transportConnector(() => transport);
  return {
    registry: createEtcdRegistry({ endpoints: ["memory:2379"], connector, ...options }),
    store: {
      put: (key, value) => kv.put({ key: bytes(key), value: bytes(value) }),
      remove: (key) => kv.deleteRange({ key: bytes(key) }),
    },
  };
}

type Options = Omit<EtcdRegistryOptions, "endpoints">;

const over: readonly { name: string; skip: string | false; open(options: Options): Opened }[] = [
  {
    name: "the Connect driver",
    skip: etcdSkipped,
    open: (options) => ({ registry: createEtcdRegistry({ endpoints: [etcd.url], ...options }), store: real }),
  },
  {
    name: "the etcd3 driver",
    skip: etcdSkipped,
    open: (options) => ({ registry: createEtcd3Registry({ endpoints: [etcd.url], Etcd3, ...options }), store: real }),
  },
  {
    name: "the gateway driver",
    skip: etcdSkipped,
    open: (options) => ({ registry: createGatewayRegistry({ endpoints: [etcd.url], ...options }), store: real }),
  },
  { name: "an etcd in memory", skip: false, open: inMemory },
];

/** Servers in this process, which answer with their addresses. */
const connector = transportConnector(({ address }) => createRouterTransport(simpleRoutes({ name: address })));

async function setUp(t: TestContext, open: (options: Options) => Opened) {
  const events: RegistryEvent[] = [];
  const { registry, store } = open({ onEvent: (event) => void events.push(event) });
  t.after(() => registry.close());
  await store.remove(KEY);
  for (const address of ["a:1", "b:1"]) await registry.register({ service: "simple", address }).ready;
  const resolver = withServiceConfig(registry.resolver("simple"), registry.serviceConfig(KEY), { policies });
  return { registry, store, resolver, events };
}

for (const { name, skip, open } of over) {
  describe(`a service config in etcd, over ${name}`, { skip, timeout: 120_000 }, () => {
    it("chooses the policy, live, and no call fails meanwhile", async (t) => {
      const { resolver, store } = await setUp(t, open);
      await store.put(KEY, choosing("pick_first"));
      const events: BalancerEvent[] = [];
      const transport = createBalancedTransport({
        resolver,
        connector,
        policy: roundRobin(),
        onEvent: (event) => void events.push(event),
      });
      t.after(() => transport.close());
      const simple = createClient(Simple, transport);
      const answerers = async () => {
        const values = [];
        for (let i = 0; i < 4; i++) values.push((await simple.route({})).value.split(": ")[0]);
        return [...new Set(values)].sort().join();
      };
      const skipped = () => events.flatMap((event) => event.type === "config-skipped" ? [event.cause.message] : []);
      assert.equal(await answerers(), "a:1", "from the first call on");
      // Calls all the time: none of them may fail.
      let over = false;
      const going = (async () => {
        while (!over) {
          await simple.route({});
          await new Promise((resolve) => setTimeout(resolve));
        }
      })();
      await store.put(KEY, choosing("round_robin"));
      await eventually("round robin", async () => await answerers() === "a:1,b:1");
      await store.put(KEY, "{ no JSON");
      await eventually("the event of an invalid one", () => skipped().length === 1);
      assert.equal(await answerers(), "a:1,b:1", "the last valid one stays");
      await store.put(KEY, choosing("pick_first", "x".repeat(65_536)));
      await eventually("the event of one that is too long", () => skipped().length === 2);
      assert.match(skipped()[1]!, /65536/);
      assert.ok(skipped().every((text) => text.startsWith(`"${KEY}": `)), "says which config it is about");
      assert.equal(await answerers(), "a:1,b:1");
      await store.put(KEY, choosing("pick_first"));
      await eventually("pick first again", async () => await answerers() === "a:1");
      await store.remove(KEY);
      await eventually("the policy of the options", async () => await answerers() === "a:1,b:1");
      assert.equal(skipped().length, 2);
      over = true;
      await going;
    });

    it("is read once by transports that don't watch", async (t) => {
      const { resolver, store } = await setUp(t, open);
      await store.put(KEY, choosing("pick_first"));
      const transport = createPullTransport({ resolver, connector, policy: roundRobin(), maxAgeMs: 1 });
      t.after(() => transport.close());
      const simple = createClient(Simple, transport);
      await simple.route({});
      assert.deepEqual(transport.snapshot().endpoints!.map(({ policy }) => policy?.["selected"]), [true, false]);
      await store.remove(KEY);
      await eventually("the policy of the options", async () => {
        await simple.route({});
        return transport.snapshot().endpoints!.every(({ policy }) => policy === undefined);
      });
    });

    it("stays in use while etcd is away", { skip: name === "an etcd in memory" && "it is never away" }, async (t) => {
      const { events, resolver, store } = await setUp(t, open);
      await store.put(KEY, choosing("pick_first"));
      const transport = createBalancedTransport({ resolver, connector, policy: roundRobin() });
      t.after(() => transport.close());
      const simple = createClient(Simple, transport);
      const selected = () => transport.snapshot().endpoints!.map(({ policy }) => policy?.["selected"]);
      await simple.route({});
      assert.deepEqual(selected(), [true, false]);
      await etcd.kill();
      await eventually("the event", () => events.some((event) => event.type === "config-stale" && event.key === KEY));
      await simple.route({});
      assert.deepEqual(selected(), [true, false]);
      await etcd.restart();
      await eventually("the event", () => events.some((event) => event.type === "config-fresh" && event.key === KEY));
      await store.put(KEY, choosing("round_robin"));
      await eventually("the next config", () => selected().every((is) => is === undefined));
    });

    it("is watched once for all that use its key", async (t) => {
      const { registry, store } = await setUp(t, open);
      await store.put(KEY, "1");
      const source = registry.serviceConfig(KEY), stop = new AbortController();
      const watches = [source, source, registry.serviceConfig(KEY)].map((each) => each.watch(stop.signal));
      const readers = watches.map((watch) => watch[Symbol.asyncIterator]());
      const next = () => Promise.all(readers.map(async (reader) => (await reader.next()).value));
      assert.deepEqual(await next(), ["1", "1", "1"]);
      await store.put(KEY, "2");
      assert.deepEqual(await next(), ["2", "2", "2"]);
      await store.remove(KEY);
      assert.deepEqual(await next(), [undefined, undefined, undefined]);
      assert.equal(await source.read!(stop.signal), undefined);
      await store.put(KEY, "3");
      assert.equal(await source.read!(stop.signal), "3");
      stop.abort();
      await Promise.all(readers.map((reader) => reader.return!(undefined)));
      // A later consumer begins again.
      const later = source.watch(new AbortController().signal)[Symbol.asyncIterator]();
      assert.equal((await later.next()).value, "3");
      await registry.close();
      assert.equal((await later.next()).value, "3", "the end comes with the last one");
      assert.equal((await later.next()).done, true);
      await assert.rejects(source.read!(new AbortController().signal), /the registry is closed/);
    });
  });
}
