// What an agent of Consul's can't be brought to do on demand.
import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { createConsulRegistry, type RegistryEvent } from "../../src/consul.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Agent } from "./agent.ts";
import { Setting, soon } from "./backend.ts";

const settings: Setting<Agent>[] = [];
afterEach(async () => {
  for (const at of settings.splice(0)) {
    at.agent.mute = false;
    await at.end();
    await at.agent.close();
  }
});

async function serve(): Promise<Setting<Agent>> {
  const setting = new Setting(await new Agent().listen());
  settings.push(setting);
  return setting;
}

describe("a resolver of a registry in Consul", () => {
  it("begins again when the index goes back, and never waits from 0", async () => {
    const at = await serve(), { agent } = at, clock = new ManualClock();
    const consumer = at.consumer(at.registry({ clock }).resolver("simple"));
    await eventually("it waits", () => agent.waiting === 1);
    agent.shownIndex = 3;
    agent.changed();
    await eventually("it has asked anew", () => at.sent.length >= 3);
    assert.equal(at.sent[2]!.query.get("index"), null);
    agent.shownIndex = 0;
    await eventually("it has been answered with 0", async () => {
      await clock.advance(250);
      return at.sent.some(({ query }) => query.get("index") === "1");
    });
    assert.ok(at.sent.every(({ query }) => query.get("index") !== "0"));
    agent.shownIndex = undefined;
    await at.put("a");
    await eventually("it has the change", async () => {
      await clock.advance(250);
      return consumer.last?.endpoints?.length === 1;
    });
  });

  it("does not yield the same set again when the agent had nothing to say", async () => {
    const at = await serve(), { agent } = at;
    await at.put("a");
    const consumer = at.consumer(at.registry().resolver("simple"));
    await eventually("it waits", () => agent.waiting === 1);
    agent.changed(0);
    await eventually("it waits again", () => at.sent.length === 3 && agent.waiting === 1);
    assert.equal(consumer.resolutions.length, 1);
  });

  it("reads a service that changes all the time at a bounded rate", async () => {
    const at = await serve(), { agent } = at, clock = new ManualClock();
    at.consumer(at.registry({ clock }).resolver("simple"));
    for (let i = 2; i <= 6; i++) {
      await eventually(`query ${i}`, () => {
        if (agent.waiting === 1) agent.changed();
        return at.sent.length >= i || clock.pending.includes(1_000);
      });
    }
    await eventually("it pauses", () => {
      if (agent.waiting === 1) agent.changed();
      return clock.pending.some((ms) => ms <= 1_000);
    });
    const { length } = at.sent;
    assert.ok(length <= 6, String(length));
    await clock.advance(1_000);
    await eventually("it goes on", () => at.sent.length > length);
  });

  it("notices an agent that no longer answers", async () => {
    const at = await serve(), { agent } = at, clock = new ManualClock();
    await at.put("a");
    const consumer = at.consumer(at.registry({ clock }).resolver("simple"));
    await eventually("it waits", () => agent.waiting === 1);
    agent.mute = true;
    await clock.advance(60_000 * 17 / 16 + 5_000);
    await eventually("it is stale", () => consumer.last?.stale !== undefined);
    assert.match(consumer.last!.stale!.cause.message, /did not answer within 68750 ms/);
  });

  it("refuses what is no answer of an agent", async () => {
    const at = await serve(), { agent } = at;
    const resolver = at.registry().resolver("simple");
    agent.refusal = { status: 200, body: '{"no":"list"}' };
    await assert.rejects(resolver.list!(soon()), /not a list of instances: is this a Consul agent/);
    agent.refusal = { status: 200, body: "<html>" };
    await assert.rejects(resolver.list!(soon()), /no answer of the Consul agent: /);
    agent.refusal = { status: 301, body: "moved" };
    await assert.rejects(resolver.list!(soon()), /answered 301: moved/);
  });
});

describe("a registration in Consul", () => {
  it("is made again with an agent of before 1.12, which answers 500 for a check that it doesn't know", async () => {
    const at = await serve(), { agent } = at, states: string[] = [];
    const onState = (state: string) => {
      states.push(state);
      if (state === "lost") agent.refusal = undefined;
    };
    const registration = at.registry().register({ service: "simple", address: "10.0.0.5:8000", onState });
    await registration.ready;
    agent.refusal = { status: 500, body: 'CheckID "service:simple@10.0.0.5:8000" does not have associated TTL' };
    await registration.renew();
    assert.deepEqual(states, ["registered", "lost", "registered"]);
  });

  it("keeps trying while the agent can't be reached, and is suspect after a TTL", async () => {
    const at = await serve(), { agent } = at, clock = new ManualClock(), events: RegistryEvent[] = [];
    const registry = at.registry({ clock, onEvent: (event) => events.push(event) });
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
    // One event, however many heartbeats failed.
    assert.deepEqual(events.map(({ type }) => type), ["registered", "registration-suspect", "registered"]);
    assert.equal(registry.snapshot().registrations[0]!.lastError, undefined);
  });

  it("sends the next heartbeat soon after one was refused, because the check would fail meanwhile", async () => {
    const at = await serve(), { agent } = at, clock = new ManualClock(), events: RegistryEvent[] = [];
    const registry = at.registry({ clock, random: () => 0.5, onEvent: (event) => events.push(event) });
    const registration = registry.register({ service: "simple", address: "10.0.0.5:8000", ttlSeconds: 6 });
    await registration.ready;
    agent.refusal = { status: 403, body: "ACL not found" };
    await eventually("it waits", () => clock.pending.includes(2_000));
    await clock.advance(2_000);
    await eventually("it was refused", () => clock.pending.includes(1_000));
    agent.refusal = undefined;
    const { length } = at.sent;
    await clock.advance(1_000);
    await eventually("it is renewed", () => at.sent.slice(length).some(({ status }) => status === 200));
    assert.equal(registration.state, "registered");
    assert.deepEqual(events.map(({ type }) => type), ["registered", "auth-refused"]);
  });

  it("can be closed while the agent can't be reached, and settles what waits for it", async () => {
    const at = await serve(), { agent } = at, clock = new ManualClock();
    agent.mute = true;
    const registration = at.registry({ clock }).register({ service: "simple", address: "10.0.0.5:8000" });
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
