import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import {
  type ConsulRegistryOptions,
  createConsulRegistry,
  type Registry,
  type RegistryEvent,
} from "../../src/consul.ts";
import type { Resolution, Resolver } from "../../src/resolver/resolver.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Agent } from "./agent.ts";

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(): Promise<Agent> {
  const agent = await new Agent().listen();
  cleanups.push(() => agent.close());
  return agent;
}

function registryOf({ url }: { readonly url: string }, options: ConsulRegistryOptions = {}): Registry {
  const registry = createConsulRegistry({ agent: url, ...options });
  cleanups.push(() => registry.close());
  return registry;
}

function instance(id: string, more: object = {}) {
  return { ID: id, Name: "simple", Address: "10.0.0.1", Port: 8000, ...more };
}

/** What a consumer of a resolver has. */
class Consumer {
  readonly resolutions: Resolution[] = [];
  readonly #stop = new AbortController();

  constructor(resolver: Resolver) {
    cleanups.push(() => this.stop());
    void (async () => {
      for await (const resolution of resolver.resolve(this.#stop.signal)) this.resolutions.push(resolution);
    })();
  }

  get last(): Resolution | undefined {
    return this.resolutions.at(-1);
  }

  async has(addresses: string): Promise<void> {
    await eventually(`it has ${addresses}`, () => {
      const found = this.last?.endpoints?.map(({ address }) => address).sort().join();
      return found === addresses && this.last?.stale === undefined;
    });
  }

  stop(): void {
    this.#stop.abort();
  }
}

const signal = () => AbortSignal.timeout(10_000);

describe("a resolver of a registry in Consul", () => {
  it("waits for each change at the agent", async () => {
    const agent = await serve();
    agent.put(instance("a"));
    const consumer = new Consumer(registryOf(agent, { waitMs: 30_000 }).resolver("simple"));
    await consumer.has("10.0.0.1:8000");
    agent.put(instance("b", { Address: "10.0.0.2" }));
    await consumer.has("10.0.0.1:8000,10.0.0.2:8000");
    agent.judge("a", "critical");
    await consumer.has("10.0.0.2:8000");
    const [first, second] = agent.asked;
    assert.equal(first!.path, "health/service/simple");
    assert.deepEqual(Object.fromEntries(first!.query), { passing: "1" });
    assert.deepEqual(Object.fromEntries(second!.query), { passing: "1", index: "11", wait: "30000ms" });
  });

  it("names the datacenter, the tags and the token", async () => {
    const agent = await serve(), tokens = ["t-1", "t-2"];
    agent.put(instance("a", { Tags: ["v2", "grpc"] }));
    agent.put(instance("b", { Address: "10.0.0.2", Tags: ["v2"] }));
    const options = { datacenter: "eu", tags: ["v2", "grpc"], token: () => tokens.shift()! };
    const resolver = registryOf(agent, options).resolver("simple");
    const { endpoints } = await resolver.list!(signal());
    assert.deepEqual(endpoints?.map(({ address }) => address), ["10.0.0.1:8000"]);
    await resolver.list!(signal());
    assert.deepEqual(agent.asked.map(({ token }) => token), ["t-1", "t-2"]);
    assert.deepEqual([...agent.asked[0]!.query], [["tag", "v2"], ["tag", "grpc"], ["passing", "1"], ["dc", "eu"]]);
  });

  it("reads weight, zone and metadata, and the node's address and zone where the instance has none", async () => {
    const agent = await serve();
    agent.nodeMeta = { zone: "eu-1b" };
    agent.put(instance("a", { Address: "", Weights: { Passing: 3, Warning: 1 }, Meta: { version: "2" } }));
    agent.put(instance("b", { Address: "fd00::2", Meta: { zone: "eu-1a" } }));
    const { endpoints } = await registryOf(agent).resolver("simple").list!(signal());
    assert.deepEqual(endpoints, [
      { address: "10.0.0.100:8000", incarnation: "11", weight: 3, zone: "eu-1b", metadata: { version: "2" } },
      { address: "[fd00::2]:8000", incarnation: "12", zone: "eu-1a" },
    ]);
  });

  it("skips and reports, once, an instance without a usable address", async () => {
    const agent = await serve(), events: RegistryEvent[] = [];
    agent.put(instance("a", { Port: 0 }));
    agent.put(instance("b", { Address: "evil.example/@x" }));
    agent.put(instance("c"));
    const resolver = registryOf(agent, { onEvent: (event) => events.push(event) }).resolver("simple");
    for (let i = 0; i < 2; i++) assert.equal((await resolver.list!(signal())).endpoints?.length, 1);
    assert.deepEqual(events.map((event) => event.type === "value-skipped" && event.key), ["a", "b"]);
  });

  it("begins again when the index goes back, and never waits from 0", async () => {
    const agent = await serve(), clock = new ManualClock();
    const consumer = new Consumer(registryOf(agent, { clock }).resolver("simple"));
    await eventually("it waits", () => agent.waiting === 1);
    agent.shownIndex = 3;
    agent.changed();
    await eventually("it has asked anew", () => agent.asked.length >= 3);
    assert.equal(agent.asked[2]!.query.get("index"), null);
    agent.shownIndex = 0;
    await eventually("it has been answered with 0", async () => {
      await clock.advance(250);
      return agent.asked.some(({ query }) => query.get("index") === "1");
    });
    assert.ok(agent.asked.every(({ query }) => query.get("index") !== "0"));
    agent.shownIndex = undefined;
    agent.put(instance("a"));
    await eventually("it has the change", async () => {
      await clock.advance(250);
      return consumer.last?.endpoints?.length === 1;
    });
  });

  it("does not yield the same set again when the agent had nothing to say", async () => {
    const agent = await serve();
    agent.put(instance("a"));
    const consumer = new Consumer(registryOf(agent).resolver("simple"));
    await eventually("it waits", () => agent.waiting === 1);
    agent.changed(0);
    await eventually("it waits again", () => agent.asked.length === 3 && agent.waiting === 1);
    assert.equal(consumer.resolutions.length, 1);
  });

  it("reads a service that changes all the time at a bounded rate", async () => {
    const agent = await serve(), clock = new ManualClock();
    new Consumer(registryOf(agent, { clock }).resolver("simple"));
    for (let i = 2; i <= 6; i++) {
      await eventually(`query ${i}`, () => {
        if (agent.waiting === 1) agent.changed();
        return agent.asked.length >= i || clock.pending.includes(1_000);
      });
    }
    await eventually("it pauses", () => {
      if (agent.waiting === 1) agent.changed();
      return clock.pending.some((ms) => ms <= 1_000);
    });
    const { length } = agent.asked;
    assert.ok(length <= 6, String(length));
    await clock.advance(1_000);
    await eventually("it goes on", () => agent.asked.length > length);
  });

  it("keeps the last set, marked as stale, while the agent is gone", async () => {
    const agent = await serve(), events: string[] = [];
    agent.put(instance("a"));
    const registry = registryOf(agent, { onEvent: ({ type }) => events.push(type), random: () => 0.1 });
    const consumer = new Consumer(registry.resolver("simple"));
    await consumer.has("10.0.0.1:8000");
    const { port } = agent;
    await agent.close();
    await eventually("it is stale", () => consumer.last?.stale !== undefined);
    assert.match(consumer.last!.stale!.cause.message, /no answer of the Consul agent/);
    assert.equal(consumer.last!.endpoints?.length, 1);
    assert.match(registry.snapshot().watches[0]!.stale!.cause, /no answer/);
    const next = await new Agent().listen(port);
    cleanups.push(() => next.close());
    next.put(instance("b", { Address: "10.0.0.2" }));
    await consumer.has("10.0.0.2:8000");
    assert.ok(events.includes("set-stale") && events.includes("set-fresh") && events.includes("watch-restarted"));
  });

  it("notices an agent that no longer answers", async () => {
    const agent = await serve(), clock = new ManualClock();
    agent.put(instance("a"));
    const consumer = new Consumer(registryOf(agent, { clock }).resolver("simple"));
    await eventually("it waits", () => agent.waiting === 1);
    agent.mute = true;
    await clock.advance(60_000 * 17 / 16 + 5_000);
    await eventually("it is stale", () => consumer.last?.stale !== undefined);
    assert.match(consumer.last!.stale!.cause.message, /did not answer within 68750 ms/);
  });

  it("says which permissions are missing, and tries again after a while", async () => {
    const agent = await serve(), clock = new ManualClock(), events: RegistryEvent[] = [];
    agent.refusal = { status: 403, body: "Permission denied" };
    const consumer = new Consumer(
      registryOf(agent, { clock, onEvent: (event) => events.push(event) }).resolver("simple"),
    );
    await eventually("it is stale", () => consumer.last?.stale !== undefined);
    assert.match(consumer.last!.stale!.cause.message, /403: Permission denied \(the token needs service:read/);
    assert.ok(events.some((event) => event.type === "auth-refused" && event.retryInMs === 30_000));
  });

  it("refuses what is no answer of an agent", async () => {
    const agent = await serve();
    const resolver = registryOf(agent).resolver("simple");
    agent.refusal = { status: 200, body: '{"no":"list"}' };
    await assert.rejects(resolver.list!(signal()), /not a list of instances: is this a Consul agent/);
    agent.refusal = { status: 200, body: "<html>" };
    await assert.rejects(resolver.list!(signal()), /no answer of the Consul agent: /);
    agent.refusal = { status: 301, body: "moved" };
    await assert.rejects(resolver.list!(signal()), /answered 301: moved/);
  });
});

describe("a registration in Consul", () => {
  it("is an instance with a TTL check, which heartbeats keep passing, and ends when it is closed", async () => {
    const agent = await serve(), registry = registryOf(agent, { tags: ["grpc"] });
    const consumer = new Consumer(registry.resolver("simple"));
    const registration = registry.register({
      service: "simple",
      address: "[fd00::5]:8000",
      ttlSeconds: 3,
      weight: 2,
      zone: "eu-1a",
      metadata: { version: 2 },
    });
    await registration.ready;
    assert.equal(registration.state, "registered");
    await consumer.has("[fd00::5]:8000");
    const { incarnation: _, ...endpoint } = consumer.last!.endpoints![0]!;
    assert.deepEqual(endpoint, { address: "[fd00::5]:8000", weight: 2, zone: "eu-1a", metadata: { version: 2 } });
    const register = agent.asked.find(({ path }) => path === "agent/service/register")!;
    assert.equal(register.query.get("replace-existing-checks"), "true");
    assert.deepEqual(register.body, {
      ID: "simple@[fd00::5]:8000",
      Name: "simple",
      Address: "fd00::5",
      Port: 8000,
      Tags: ["grpc"],
      Meta: { zone: "eu-1a", "connect-lb-metadata": '{"version":2}' },
      Weights: { Passing: 2, Warning: 2 },
      Check: {
        CheckID: "service:simple@[fd00::5]:8000",
        Name: "connect-lb",
        TTL: "3s",
        Status: "passing",
        DeregisterCriticalServiceAfter: "60s",
      },
    });
    await eventually(
      "a heartbeat",
      () => agent.asked.some(({ path }) => path === "agent/check/pass/service:simple@[fd00::5]:8000"),
    );
    await registration.close();
    await consumer.has("");
    assert.equal(registration.state, "closed");
  });

  it("is renewed each third of its TTL", async () => {
    const agent = await serve(), clock = new ManualClock();
    const registration = registryOf(agent, { clock }).register({
      service: "simple",
      address: "10.0.0.5:8000",
      ttlSeconds: 9,
    });
    await registration.ready;
    const beats = () => agent.asked.filter(({ path }) => path.startsWith("agent/check/pass/")).length;
    for (let i = 1; i <= 3; i++) {
      await eventually("it waits", () => clock.pending.includes(3_000));
      await clock.advance(3_000);
      await eventually(`heartbeat ${i}`, () => beats() === i);
    }
  });

  it("is made again at once when the agent has forgotten it", async () => {
    const agent = await serve(), states: string[] = [], events: string[] = [];
    const registry = registryOf(agent, { onEvent: ({ type }) => events.push(type) });
    const onState = (state: string) => void states.push(state);
    const registration = registry.register({ service: "simple", address: "10.0.0.5:8000", onState });
    await registration.ready;
    agent.forget();
    await registration.renew();
    assert.deepEqual(states, ["registered", "lost", "registered"]);
    assert.deepEqual(events, ["registered", "lease-lost", "registered"]);
    assert.equal((await registry.resolver("simple").list!(signal())).endpoints?.length, 1);
  });

  it("is made again with an agent of before 1.12, which answers 500 for a check that it doesn't know", async () => {
    const agent = await serve(), states: string[] = [];
    const onState = (state: string) => {
      states.push(state);
      if (state === "lost") agent.refusal = undefined;
    };
    const registration = registryOf(agent).register({ service: "simple", address: "10.0.0.5:8000", onState });
    await registration.ready;
    agent.refusal = { status: 500, body: 'CheckID "service:simple@10.0.0.5:8000" does not have associated TTL' };
    await registration.renew();
    assert.deepEqual(states, ["registered", "lost", "registered"]);
  });

  it("keeps trying while the agent can't be reached, and is suspect after a TTL", async () => {
    const agent = await serve(), clock = new ManualClock(), events: RegistryEvent[] = [];
    const registry = registryOf(agent, { clock, onEvent: (event) => events.push(event) });
    const registration = registry.register({ service: "simple", address: "10.0.0.5:8000", ttlSeconds: 6 });
    await registration.ready;
    agent.refusal = { status: 500, body: "No cluster leader" };
    await eventually("it is suspect", async () => {
      await clock.advance(500);
      return registration.state === "suspect";
    });
    assert.match(registry.snapshot().registrations[0]!.lastError!, /500: No cluster leader/);
    agent.refusal = undefined;
    await eventually("it is registered", async () => {
      await clock.advance(500);
      return registration.state === "registered";
    });
    assert.ok(events.some(({ type }) => type === "registration-suspect"));
    assert.equal(registry.snapshot().registrations[0]!.lastError, undefined);
  });

  it("is pending until the agent can be reached", async () => {
    const agent = await serve(), { port } = agent;
    await agent.close();
    const registry = registryOf({ url: `http://127.0.0.1:${port}` }, { random: () => 0.1 });
    const registration = registry.register({ service: "simple", address: "10.0.0.5:8000" });
    const ready = registration.ready;
    await eventually("it has failed", () => registry.snapshot().registrations[0]!.lastError !== undefined);
    assert.equal(registration.state, "pending");
    const next = await new Agent().listen(port);
    cleanups.push(() => next.close());
    await ready;
  });

  it("changes its attributes in place", async () => {
    const agent = await serve(), registry = registryOf(agent);
    const registration = registry.register({ service: "simple", address: "10.0.0.5:8000", weight: 1 });
    await registration.ready;
    const before = (await registry.resolver("simple").list!(signal())).endpoints![0]!;
    await registration.update({ weight: 5, zone: "b" });
    const { endpoints } = await registry.resolver("simple").list!(signal());
    assert.deepEqual(endpoints, [{ ...before, weight: 5, zone: "b" }]);
    await assert.rejects(
      registration.update({ weight: 1.5 }),
      /weight is 1.5: expected a whole number from 1 to 65535/,
    );
    await assert.rejects(registration.update({ metadata: "x".repeat(600) }), /metadata is longer than the 512 bytes/);
  });

  it("can be closed while the agent can't be reached, and settles what waits for it", async () => {
    const agent = await serve(), clock = new ManualClock();
    agent.mute = true;
    const registration = registryOf(agent, { clock }).register({ service: "simple", address: "10.0.0.5:8000" });
    const ready = assert.rejects(registration.ready, /closed before it succeeded/);
    const updated = assert.rejects(registration.update({ weight: 2 }), /was closed/);
    let closed = false;
    const closing = registration.close().then(() => closed = true);
    await eventually("it is closed", async () => {
      await clock.advance(500);
      return closed;
    });
    await Promise.all([ready, updated, closing]);
    assert.ok(clock.now() <= 2_500);
    await assert.rejects(registration.renew(), /the registration is closed/);
  });
});

describe("a registry in Consul", () => {
  const server = { service: "simple", address: "10.0.0.5:8000", ttlSeconds: 30 };

  it("renews and removes an entry without memory of earlier calls", async () => {
    const agent = await serve();
    const once = () => registryOf(agent);
    assert.equal(await once().renew({ ...server, weight: 2 }), "registered");
    assert.equal(await once().renew({ ...server, weight: 2 }), "renewed");
    assert.equal(await once().renew({ ...server, weight: 3 }), "registered");
    agent.forget();
    assert.equal(await once().renew({ ...server, weight: 3 }), "registered");
    await once().deregister(server);
    await once().deregister(server);
    assert.deepEqual((await once().resolver("simple").list!(signal())).endpoints, []);
  });

  it("lists its services, with those of their instances that pass", async () => {
    const agent = await serve(), registry = registryOf(agent);
    agent.put(instance("a"));
    agent.put(instance("b", { Address: "10.0.0.2" }));
    agent.put(instance("c", { Name: "other", Address: "10.0.0.3" }));
    agent.judge("b", "critical");
    assert.deepEqual(await registry.list(signal()), [
      { service: "other", endpoints: 1, entries: 1 },
      { service: "simple", endpoints: 1, entries: 2 },
    ]);
  });

  it("shows its registrations and watches", async () => {
    const agent = await serve(), registry = registryOf(agent);
    const registration = registry.register(server);
    await registration.ready;
    await new Consumer(registry.resolver("simple")).has("10.0.0.5:8000");
    const { registrations: [shown], watches } = registry.snapshot();
    assert.deepEqual(watches, [{ service: "simple", endpoints: 1, stale: undefined }]);
    assert.equal(shown!.key, "simple@10.0.0.5:8000");
    assert.equal(shown!.state, "registered");
    assert.equal(shown!.ttlSeconds, 30);
  });

  it("removes its registrations when it is closed, and ends its watches with the last set", async () => {
    const agent = await serve(), registry = registryOf(agent);
    await registry.register(server).ready;
    const consumer = new Consumer(registryOf(agent).resolver("simple")),
      own = new Consumer(registry.resolver("simple"));
    await own.has("10.0.0.5:8000");
    await registry.close();
    await consumer.has("");
    assert.match(own.last!.stale!.cause.message, /the registry was closed/);
    assert.throws(() => registry.register(server), /the registry is closed/);
    await assert.rejects(registry.list(signal()), /the registry is closed/);
  });

  it("checks its options, and shows no secrets", () => {
    assert.throws(
      () => createConsulRegistry({ agent: "127.0.0.1:8500" }),
      /option agent is a string that can't be used/,
    );
    assert.throws(() => createConsulRegistry({ waitMs: 10 }), /option waitMs is 10: expected milliseconds from 1000/);
    assert.throws(() => createConsulRegistry({ token: "secret token" }), (error: Error) => {
      return /option token/.test(error.message) && !/secret token/.test(error.message);
    });
    const registry = createConsulRegistry();
    assert.throws(() => registry.resolver("a b"), /white space/);
    assert.throws(() => registry.register({ ...server, address: "0.0.0.0:1" }), /wildcard/);
    assert.throws(() => registry.register({ ...server, weight: 0.5 }), /weight is 0.5: expected a whole number/);
  });
});
