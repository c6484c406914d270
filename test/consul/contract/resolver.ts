import assert from "node:assert/strict";
import { it } from "node:test";
import type { RegistryEvent } from "../../../src/consul.ts";
import { eventually } from "../../support/eventually.ts";
import { NODE, type Setting, soon } from "../backend.ts";

/** What holds for a resolver of a registry in Consul. */
export function resolverStatements(setting: () => Setting): void {
  it("waits for each change at the agent", async () => {
    const at = setting();
    await at.put("a");
    const consumer = at.consumer(at.registry({ waitMs: 30_000 }).resolver("simple"));
    await consumer.has("10.0.0.1:8000");
    await at.put("b", { Address: "10.0.0.2" });
    await consumer.has("10.0.0.1:8000,10.0.0.2:8000");
    await at.judge("a", "fail");
    await consumer.has("10.0.0.2:8000");
    const [first, second] = at.to("health/service/simple");
    assert.deepEqual(Object.fromEntries(first!.query), { passing: "1" });
    assert.deepEqual(Object.fromEntries(second!.query), { passing: "1", index: first!.index, wait: "30000ms" });
  });

  it("waits, rather than asks again and again, while nothing changes", async () => {
    const at = setting();
    await at.put("a");
    const consumer = at.consumer(at.registry({ waitMs: 1_000 }).resolver("simple"));
    await consumer.has("10.0.0.1:8000");
    const queries = at.to("health/service/simple");
    await eventually(
      "a query has waited in vain",
      () => queries.find(({ query, index }) => query.get("index") === index),
    );
    const [first, ...more] = queries.map(({ index }) => index);
    assert.ok(more.filter((index) => index !== undefined && index !== first).length <= 1);
    assert.ok(consumer.resolutions.length <= 2, String(consumer.resolutions.length));
  });

  it("names the datacenter and the tags", async () => {
    const at = setting();
    await at.put("a", { Tags: ["v2", "grpc"] });
    await at.put("b", { Address: "10.0.0.2", Tags: ["v2"] });
    const consumer = at.consumer(at.registry({ datacenter: "dc1", tags: ["v2", "grpc"] }).resolver("simple"));
    await consumer.has("10.0.0.1:8000");
    assert.deepEqual([...at.sent[0]!.query].slice(0, 4), [
      ["tag", "v2"],
      ["tag", "grpc"],
      ["passing", "1"],
      ["dc", "dc1"],
    ]);
  });

  it("reads weight, zone and metadata, and the node's address and zone where the instance has none", async () => {
    const at = setting();
    await at.put("a", { Address: "", Weights: { Passing: 3, Warning: 1 }, Meta: { version: "2" } });
    await at.put("b", { Address: "fd00::2", Meta: { zone: "eu-1a" } });
    const consumer = at.consumer(at.registry().resolver("simple"));
    await consumer.has(`${NODE.address}:8000,[fd00::2]:8000`);
    const [a, b] = [...consumer.last!.endpoints!].sort((a, b) => b.weight! - a.weight!);
    assert.match(a!.incarnation!, /^\d+$/);
    const address = `${NODE.address}:8000`, metadata = { version: "2" };
    assert.deepEqual(a, { address, incarnation: a!.incarnation, weight: 3, zone: NODE.zone, metadata });
    assert.deepEqual(b, { address: "[fd00::2]:8000", incarnation: b!.incarnation, weight: 1, zone: "eu-1a" });
  });

  it("skips and reports, once, an instance without a usable address", async () => {
    const at = setting(), events: RegistryEvent[] = [];
    await at.put("a", { Port: 0 });
    await at.put("b", { Address: "evil.example/@x" });
    await at.put("c");
    const resolver = at.registry({ onEvent: (event) => events.push(event) }).resolver("simple");
    await at.consumer(resolver).has("10.0.0.1:8000");
    assert.equal((await resolver.list!(soon())).endpoints?.length, 1);
    assert.deepEqual(events.map((event) => event.type === "value-skipped" && event.key).sort(), ["a", "b"]);
  });

  it("finds a service whose name is no part of a URL", async () => {
    const at = setting(), name = "a?passing=0&b#c%2F;dé";
    await at.put(name, { Name: name });
    const registry = at.registry();
    await at.consumer(registry.resolver(name)).has("10.0.0.1:8000");
    const registration = registry.register({ service: name, address: "10.0.0.5:8000" });
    await registration.ready;
    await registration.renew();
    await at.consumer(registry.resolver(name)).has("10.0.0.1:8000,10.0.0.5:8000");
    assert.equal(await registry.renew({ service: name, address: "10.0.0.5:8000", ttlSeconds: 10 }), "renewed");
    await registration.close();
    await at.consumer(registry.resolver(name)).has("10.0.0.1:8000");
  });

  it("begins again when the agent was restarted and its index has gone back", async () => {
    const at = setting(), types: string[] = [];
    for (const id of ["a", "b", "c", "d"]) await at.put(id, { Port: id.charCodeAt(0) });
    const registry = at.registry({ onEvent: ({ type }) => types.push(type), random: () => 0.1 });
    const consumer = at.consumer(registry.resolver("simple"));
    await consumer.has("10.0.0.1:100,10.0.0.1:97,10.0.0.1:98,10.0.0.1:99");
    await at.agent.stop();
    await eventually("it is stale", () => consumer.last?.stale !== undefined);
    assert.equal(consumer.last!.endpoints?.length, 4);
    await at.agent.restart();
    await consumer.has("");
    await at.put("e", { Address: "10.0.0.2" });
    await consumer.has("10.0.0.2:8000");
    assert.ok(types.includes("set-stale") && types.includes("set-fresh") && types.includes("watch-restarted"));
  });

  it("loses a server whose heartbeats stay away for its TTL, and gets it back with the next one", async () => {
    const at = setting(), registry = at.registry();
    const registration = registry.register({ service: "simple", address: "10.0.0.5:8000", ttlSeconds: 1 });
    await registration.ready;
    const consumer = at.consumer(at.registry({ random: () => 0.1 }).resolver("simple"));
    await consumer.has("10.0.0.5:8000");
    at.cut = /^agent\//;
    await consumer.has("");
    assert.equal(registration.state, "suspect");
    at.cut = undefined;
    await consumer.has("10.0.0.5:8000");
    assert.equal(registration.state, "registered");
  });
}
