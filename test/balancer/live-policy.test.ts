// A policy that the resolver's config chooses, while calls go on.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pickFirst } from "../../src/policy/pick-first.ts";
import type { Policy, PolicyEnvironment } from "../../src/policy/policy.ts";
import { ringHash } from "../../src/policy/ring-hash.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import type { ServiceConfig } from "../../src/resolver/service-config.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";
import { pulled } from "../support/pulled.ts";

const ENDPOINTS = ["a:1", "b:1", "c:1"].map((address) => ({ address }));

/** A transport whose resolver yields configs that choose policies. */
function setUp(options: Parameters<typeof balanced>[0] = {}) {
  const resolver = manualResolver(), all = balanced({ resolver, policy: roundRobin(), ...options });
  const choose = (policy?: Policy) => resolver.tell({ endpoints: ENDPOINTS, ...policy && { config: { policy } } });
  const states = () => all.transport.snapshot().endpoints!.map(({ state }) => state);
  const answerers = async (count = 6) => {
    const seen = [];
    for (let i = 0; i < count; i++) seen.push((await all.client.route({})).value.split(": ")[0]);
    return [...new Set(seen)].sort().join();
  };
  return { ...all, resolver, choose, states, answerers };
}

/** A policy that notes what becomes of it. */
function noted(inner: Policy) {
  const seen = {
    builds: 0,
    closed: 0,
    timers: 0,
    previous: [] as unknown[],
    env: undefined as PolicyEnvironment | undefined,
  };
  const policy: Policy = (connections, previous, env) => {
    seen.builds++;
    seen.previous.push(previous);
    if (seen.env !== env) env.timer(1_000, () => seen.timers++);
    seen.env = env;
    const picker = inner(connections, undefined, env);
    return { pick: (call) => picker.pick(call), close: () => void seen.closed++ };
  };
  return { policy, seen };
}

describe("a policy that the config chooses", () => {
  it("is used from the first call on, and the other one is never asked", async () => {
    const { policy, seen } = noted(roundRobin());
    const { answerers, choose, ready, states, transport } = setUp({ policy });
    choose(pickFirst());
    await ready();
    assert.equal(await answerers(), "a:1");
    assert.deepEqual(states(), ["ready", "idle", "idle"]);
    assert.equal(seen.builds, 0);
    await transport.close();
  });

  it("replaces another one, whose picker and timers end, and whose connections it keeps as it wants them", async () => {
    const { policy, seen } = noted(roundRobin());
    const { answerers, choose, clock, links, ready, states, transport } = setUp({ policy });
    choose();
    await ready();
    assert.equal(await answerers(), "a:1,b:1,c:1");
    const given = new Map(links);
    choose(pickFirst());
    await clock.advance(40);
    assert.equal(await answerers(), "a:1");
    assert.deepEqual(states(), ["ready", "idle", "idle"]);
    assert.equal(links.get("a:1"), given.get("a:1"));
    assert.deepEqual([...given.values()].map(({ closed }) => closed), [false, true, true]);
    assert.equal(seen.closed, 1);
    const { builds } = seen;
    seen.env!.update();
    await clock.advance(5_000);
    assert.deepEqual([seen.builds, seen.timers], [builds, 0]);
    choose();
    await clock.advance(40);
    assert.equal(await answerers(), "a:1,b:1,c:1", "without a config that chooses, that of the options");
    assert.equal(seen.previous[builds], undefined, "it begins anew");
    await transport.close();
    assert.equal(seen.closed, 2);
  });

  it("takes over when one of its connections is ready, and calls go where they went until then", async () => {
    const { answerers, choose, clock, links, ready, states, transport } = setUp({
      links: { auto: false },
      policy: pickFirst(),
    });
    choose();
    const isReady = ready();
    await clock.advance(20);
    links.get("a:1")!.ready();
    await isReady;
    // It wants the two others only.
    const { policy, seen } = noted((connections, previous, env) => roundRobin()(connections.slice(1), previous, env));
    choose(policy);
    await clock.advance(100);
    assert.deepEqual(states(), ["ready", "connecting", "connecting"]);
    assert.equal(await answerers(), "a:1");
    links.get("b:1")!.refuse();
    await clock.advance(40);
    assert.equal(await answerers(), "a:1", "one of them may still be opened");
    links.get("c:1")!.ready();
    await clock.advance(40);
    assert.equal(await answerers(), "c:1");
    assert.deepEqual(states(), ["idle", "transient_failure", "ready"]);
    assert.equal(seen.closed, 0);
    await transport.close();
    assert.equal(seen.closed, 1);
  });

  it("takes over as well when all that it wants has failed: calls say so", async () => {
    const { answerers, choose, client, clock, links, ready, transport } = setUp({
      links: { auto: false },
      policy: pickFirst(),
    });
    choose();
    const isReady = ready();
    await clock.advance(20);
    links.get("a:1")!.ready();
    await isReady;
    choose((connections, previous, env) => roundRobin()(connections.slice(1), previous, env));
    await clock.advance(40);
    assert.equal(await answerers(), "a:1");
    links.get("b:1")!.refuse();
    links.get("c:1")!.refuse();
    await clock.advance(40);
    assert.match(String(await failureOf(client.route({}))), /every endpoint is failing/);
    await transport.close();
  });

  it("takes over at once if it opens connections with calls", async () => {
    const { answerers, choose, clock, ready, states, transport } = setUp({ policy: pickFirst() });
    choose();
    await ready();
    choose(ringHash());
    await clock.advance(40);
    const call = answerers(1);
    await clock.advance(40);
    await call;
    assert.ok(transport.snapshot().endpoints!.every(({ policy }) => "ringShare" in policy!));
    assert.equal(states().filter((state) => state === "ready").length, 1);
    await transport.close();
  });

  it("gives way to the next one before it has taken over, or to the one that is in use", async () => {
    const { answerers, choose, clock, links, ready, states, transport } = setUp({
      links: { auto: false },
      policy: pickFirst(),
    });
    choose();
    const isReady = ready();
    await clock.advance(20);
    links.get("a:1")!.ready();
    await isReady;
    const second = noted((connections, previous, env) => roundRobin()(connections.slice(1, 2), previous, env));
    const third = noted((connections, previous, env) => roundRobin()(connections.slice(2), previous, env));
    choose(second.policy);
    await clock.advance(40);
    choose(third.policy);
    await clock.advance(40);
    assert.deepEqual([second.seen.closed, third.seen.closed], [1, 0]);
    assert.deepEqual(states(), ["ready", "idle", "connecting"]);
    choose();
    await clock.advance(40);
    assert.equal(third.seen.closed, 1);
    assert.deepEqual(states(), ["ready", "idle", "idle"]);
    assert.equal(await answerers(), "a:1");
    await transport.close();
  });

  it("is not asked again while the config says the same, and keeps its picker", async () => {
    const { policy, seen } = noted(roundRobin());
    const { choose, clock, ready, transport } = setUp();
    choose(policy);
    await ready();
    choose(policy);
    await clock.advance(40);
    choose(policy);
    await clock.advance(40);
    assert.equal(seen.closed, 0);
    assert.equal(seen.previous.filter((previous) => previous === undefined).length, 1);
    await transport.close();
  });

  it("leaves the other one in place if it fails, which an event says once", async () => {
    const { answerers, choose, clock, events, ready, transport } = setUp();
    const failing: Policy = (connections) => {
      for (const connection of connections) connection.connect();
      throw new Error("no idea");
    };
    choose(failing);
    await ready();
    assert.equal(await answerers(), "a:1,b:1,c:1");
    choose(pickFirst());
    await clock.advance(40);
    assert.equal(await answerers(), "a:1");
    choose(failing);
    await clock.advance(100);
    assert.equal(await answerers(), "a:1");
    const failures = events.flatMap((event) => event.type === "policy-failed" ? [event.cause.message] : []);
    assert.deepEqual(failures, ["the policy failed: no idea", "the policy failed: no idea"]);
    await transport.close();
  });

  it("has no effect on transports from withPolicy, which keep theirs and their connections", async () => {
    const { answerers, choose, clock, client, ready, states, transport } = setUp();
    choose();
    await ready();
    const all = transport.withPolicy(roundRobin());
    await all.connect();
    choose(pickFirst());
    await clock.advance(40);
    assert.equal(await answerers(), "a:1");
    assert.deepEqual(states(), ["ready", "ready", "ready"]);
    await all.close();
    await clock.advance(40);
    assert.deepEqual(states(), ["ready", "idle", "idle"]);
    assert.ok(await client.route({}));
    await transport.close();
  });

  it("may close the transport when it is asked first", async () => {
    const { choose, clock, client, ready, transport } = setUp();
    choose();
    await ready();
    const { policy, seen } = noted(roundRobin());
    choose((connections, previous, env) => {
      void transport.close();
      return policy(connections, previous, env);
    });
    await clock.advance(40);
    assert.match(String(await failureOf(client.route({}))), /the transport is closed/);
    assert.equal(seen.closed, 1);
    assert.deepEqual(clock.pending, []);
  });

  it("is chosen after an idle time as at first", async () => {
    const { answerers, choose, clock, ready, states, transport } = setUp({ idleTimeoutMs: 1_000 });
    choose(pickFirst());
    await ready();
    await answerers();
    await clock.advance(5_000);
    choose(roundRobin());
    const call = answerers();
    await clock.advance(40);
    assert.equal(await call, "a:1,b:1,c:1");
    choose(pickFirst());
    await clock.advance(40);
    assert.equal(await answerers(), "a:1");
    assert.deepEqual(states(), ["ready", "idle", "idle"]);
    await transport.close();
  });

  it("may be that of the default config, which the transport's own comes before", async () => {
    for (const [options, expected] of [[{}, "a:1"], [{ policy: roundRobin() }, "a:1,b:1,c:1"]] as const) {
      const defaultServiceConfig: ServiceConfig = { policy: pickFirst() };
      const { answerers, choose, ready, transport } = setUp({ policy: undefined!, defaultServiceConfig, ...options });
      choose();
      await ready();
      assert.equal(await answerers(), expected);
      await transport.close();
    }
  });

  it("is skipped with its config if it is none", async () => {
    const { answerers, clock, events, ready, resolver, transport } = setUp();
    resolver.tell({ endpoints: ENDPOINTS, config: { policy: roundRobin } } as never);
    await ready();
    assert.match(String(events.find((event) => event.type === "config-skipped")?.cause), /Call it: roundRobin/);
    assert.equal(await answerers(), "a:1,b:1,c:1");
    resolver.tell({ endpoints: ENDPOINTS, config: new Error("can't be read") } as never);
    await clock.advance(40);
    assert.equal(events.filter(({ type }) => type === "config-skipped").length, 2);
    await transport.close();
  });

  it("is used by pull transports, too", async () => {
    let policy: Policy | undefined = pickFirst();
    const { client, clock, transport } = pulled({
      policy: roundRobin(),
      maxAgeMs: 1_000,
      resolver: {
        target: "simple",
        async list() {
          await settled();
          return { endpoints: ENDPOINTS, ...policy && { config: { policy } } };
        },
      },
    });
    const call = client.route({});
    await clock.advance(100);
    await call;
    const selected = () => transport.snapshot().endpoints!.map((endpoint) => endpoint.policy?.["selected"]);
    assert.deepEqual(selected(), [true, false, false]);
    policy = undefined;
    await clock.advance(2_000);
    const second = client.route({});
    await clock.advance(1_000);
    await second;
    assert.deepEqual(selected(), [undefined, undefined, undefined]);
    await transport.close();
  });
});
