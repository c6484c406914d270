import assert from "node:assert/strict";
import { it } from "node:test";
import type { RegistryEvent } from "../../../src/consul.ts";
import { eventually } from "../../support/eventually.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { type Setting, soon, TOKENS } from "../backend.ts";

const server = { service: "simple", address: "10.0.0.5:8000", ttlSeconds: 30 };

/** What holds for a registry in a Consul with ACLs. */
export function aclStatements(setting: () => Setting): void {
  it("registers and resolves with a token that may, and asks for it at each request", async () => {
    const at = setting();
    let asked = 0;
    const registry = at.registry({ token: () => ++asked === 0 ? "" : TOKENS.management });
    await registry.register(server).ready;
    await at.consumer(at.registry({ token: TOKENS.reads }).resolver("simple")).has("10.0.0.5:8000");
    await registry.list(soon());
    assert.ok(asked >= 2);
  });

  it("says that the token is not known, and tries again after a while", async () => {
    const at = setting(), clock = new ManualClock(), events: RegistryEvent[] = [];
    const registry = at.registry({ token: TOKENS.unknown, clock, onEvent: (event) => events.push(event) });
    const consumer = at.consumer(registry.resolver("simple"));
    await consumer.wasStale(/answered 403: ACL not found \(the token needs service:read and node:read/);
    assert.ok(events.some((event) => event.type === "auth-refused" && event.retryInMs === 30_000));
    await assert.rejects(registry.renew(server), /403: ACL not found/);
  });

  it("takes an answer without what the token may not read for a refusal, not for a service without servers", async () => {
    const at = setting(), clock = new ManualClock(), events: RegistryEvent[] = [];
    await at.registry({ token: TOKENS.management }).register(server).ready;
    await at.consumer(at.registry({ token: TOKENS.reads }).resolver("simple")).has("10.0.0.5:8000");
    const registry = at.registry({ token: TOKENS.powerless, clock, onEvent: (event) => events.push(event) });
    const consumer = at.consumer(registry.resolver("simple"));
    await consumer.wasStale(/left out all instances of simple \(the token needs service:read and node:read/);
    assert.equal(consumer.last!.endpoints, undefined);
    assert.ok(events.some((event) => event.type === "auth-refused" && event.retryInMs === 30_000));
    await assert.rejects(registry.list(soon()), /left out all services/);
    await assert.rejects(registry.resolver("simple").list!(soon()), /left out all instances/);
  });

  it("keeps the last set when the token may no longer read, which answers to queries that wait don't say", async () => {
    const at = setting();
    let token: string = TOKENS.reads;
    await at.registry({ token: TOKENS.management }).register(server).ready;
    const consumer = at.consumer(at.registry({ token: () => token, waitMs: 1_000 }).resolver("simple"));
    await consumer.has("10.0.0.5:8000");
    token = TOKENS.powerless;
    await consumer.wasStale(/left out all instances/);
    assert.equal(consumer.addresses, "10.0.0.5:8000");
  });

  it("says which permission a registration lacks, once, and keeps trying", async () => {
    const at = setting(), clock = new ManualClock(), events: RegistryEvent[] = [];
    let token: string = TOKENS.reads;
    const registry = at.registry({ token: () => token, clock, onEvent: (event) => events.push(event) });
    const registration = registry.register(server);
    await eventually("it is refused", () => events.length > 0);
    assert.match(registry.snapshot().registrations[0]!.lastError!, /403: .*lacks permission 'service:write'/);
    token = TOKENS.management;
    await eventually("it waits", () => clock.pending.includes(30_000));
    await clock.advance(30_000);
    await registration.ready;
    assert.deepEqual(events.map(({ type }) => type), ["auth-refused", "registered"]);
  });
}
