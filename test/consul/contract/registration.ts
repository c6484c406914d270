import assert from "node:assert/strict";
import { it } from "node:test";
import { eventually } from "../../support/eventually.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import type { Setting } from "../backend.ts";

/** What holds for a registration in Consul. */
export function registrationStatements(setting: () => Setting): void {
  it("is an instance with a TTL check, which heartbeats keep passing, and ends when it is closed", async () => {
    const at = setting(), registry = at.registry({ tags: ["grpc"] });
    const consumer = at.consumer(registry.resolver("simple"));
    const registration = registry.register({
      service: "simple",
      address: "[fd00::5]:8000",
      ttlSeconds: 1,
      weight: 2,
      zone: "eu-1a",
      metadata: { version: 2 },
    });
    await registration.ready;
    assert.equal(registration.state, "registered");
    await consumer.has("[fd00::5]:8000");
    const { incarnation: _, ...endpoint } = consumer.last!.endpoints![0]!;
    assert.deepEqual(endpoint, { address: "[fd00::5]:8000", weight: 2, zone: "eu-1a", metadata: { version: 2 } });
    const [register] = at.to("agent/service/register");
    assert.equal(register!.query.get("replace-existing-checks"), "true");
    assert.deepEqual(register!.body, {
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
        TTL: "1s",
        Status: "passing",
        DeregisterCriticalServiceAfter: "60s",
      },
    });
    await eventually("a heartbeat", () => {
      return at.to("agent/check/pass/service:simple@[fd00::5]:8000").some(({ status }) => status === 200);
    });
    await registration.close();
    await consumer.has("");
    assert.equal(registration.state, "closed");
  });

  it("is renewed each third of its TTL", async () => {
    const at = setting(), clock = new ManualClock();
    const registration = at.registry({ clock }).register({
      service: "simple",
      address: "10.0.0.5:8000",
      ttlSeconds: 9,
    });
    await registration.ready;
    const beats = () => at.to("agent/check/pass/service:simple@10.0.0.5:8000").filter(({ status }) => status === 200);
    for (let i = 1; i <= 3; i++) {
      await eventually("it waits", () => clock.pending.includes(3_000));
      await clock.advance(3_000);
      await eventually(`heartbeat ${i}`, () => beats().length === i);
    }
  });

  it("is made again at once when the agent has forgotten it", async () => {
    const at = setting(), states: string[] = [], events: string[] = [];
    const registry = at.registry({ onEvent: ({ type }) => events.push(type) });
    const onState = (state: string) => void states.push(state);
    const registration = registry.register({ service: "simple", address: "10.0.0.5:8000", onState });
    await registration.ready;
    await at.forget();
    await registration.renew();
    assert.deepEqual(states, ["registered", "lost", "registered"]);
    assert.deepEqual(events, ["registered", "lease-lost", "registered"]);
    await at.consumer(registry.resolver("simple")).has("10.0.0.5:8000");
  });

  it("is made again when the agent was restarted without its data", async () => {
    const at = setting(), states: string[] = [];
    const registry = at.registry({ random: () => 0.1 });
    const onState = (state: string) => void states.push(state);
    const registration = registry.register({ service: "simple", address: "10.0.0.5:8000", ttlSeconds: 30, onState });
    await registration.ready;
    await at.agent.restart();
    await registration.renew();
    await at.consumer(registry.resolver("simple")).has("10.0.0.5:8000");
    assert.deepEqual(states, ["registered", "lost", "registered"]);
  });

  it("is pending until the agent can be reached", async () => {
    const at = setting();
    await at.agent.stop();
    const registry = at.registry({ random: () => 0.1 });
    const registration = registry.register({ service: "simple", address: "10.0.0.5:8000" });
    const ready = registration.ready;
    await eventually("it has failed", () => registry.snapshot().registrations[0]!.lastError !== undefined);
    assert.equal(registration.state, "pending");
    await at.agent.restart();
    await ready;
  });

  it("changes its attributes in place", async () => {
    const at = setting(), registry = at.registry();
    const registration = registry.register({ service: "simple", address: "10.0.0.5:8000", weight: 1 });
    await registration.ready;
    const consumer = at.consumer(registry.resolver("simple"));
    await consumer.has("10.0.0.5:8000");
    const before = consumer.last!.endpoints![0]!;
    await registration.update({ weight: 5, zone: "b" });
    const changed = { ...before, weight: 5, zone: "b" };
    await eventually("they have changed", () => {
      assert.deepEqual(consumer.last!.endpoints, [changed]);
      return true;
    });
    await assert.rejects(
      registration.update({ weight: 1.5 }),
      /weight is 1.5: expected a whole number from 1 to 65535/,
    );
    await assert.rejects(registration.update({ metadata: "x".repeat(600) }), /metadata is longer than the 512 bytes/);
  });

  it("can be stored with the longest values and the largest weight that are allowed", async () => {
    const at = setting(), registry = at.registry();
    const longest = { weight: 65_535, zone: "é".repeat(256), metadata: "x".repeat(510) };
    await registry.register({ service: "s".repeat(255), address: "10.0.0.5:8000", ...longest }).ready;
    const consumer = at.consumer(registry.resolver("s".repeat(255)));
    await consumer.has("10.0.0.5:8000");
    const { incarnation: _, ...endpoint } = consumer.last!.endpoints![0]!;
    assert.deepEqual(endpoint, { address: "10.0.0.5:8000", ...longest });
  });
}
