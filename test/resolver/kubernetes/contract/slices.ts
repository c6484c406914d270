import assert from "node:assert/strict";
import { it } from "node:test";
import { eventually } from "../../../support/eventually.ts";
import type { Setting } from "../backend.ts";
import { slice } from "../slice.ts";

/** What holds for slices as an API server stores them. */
export function sliceStatements(setting: () => Setting): void {
  it("has the joined slices of the service, with zones, pods and nodes", async () => {
    const at = setting(), pod = { kind: "Pod", namespace: "default", name: "simple-7d9f", uid: "u1" };
    await at.server.put(
      slice("a", [{ addresses: ["10.0.0.1"], conditions: {}, zone: "eu-1a", nodeName: "n1", targetRef: pod }]),
      slice("b", [{ addresses: ["10.0.0.1"] }, { addresses: ["10.0.0.2"] }]),
      slice("x", ["10.0.0.9"], { service: "other" }),
    );
    const consumer = at.consumer(await at.resolver());
    await consumer.has("10.0.0.1:8000,10.0.0.2:8000");
    assert.deepEqual(consumer.last!.endpoints!.find(({ zone }) => zone !== undefined), {
      address: "10.0.0.1:8000",
      zone: "eu-1a",
      incarnation: "u1",
      metadata: { pod: "simple-7d9f", node: "n1" },
    });
  });

  it("follows pods through their lives", async () => {
    const at = setting();
    const in_ = (conditions: object) => slice("a", ["10.0.0.2", { addresses: ["10.0.0.1"], conditions }]);
    const alone = (conditions: object) => slice("a", [{ addresses: ["10.0.0.1"], conditions }]);
    await at.server.put(in_({ ready: false, serving: false, terminating: false }));
    const consumer = at.consumer(await at.resolver());
    await consumer.has("10.0.0.2:8000");
    await at.server.put(in_({ ready: true, serving: true, terminating: false }));
    await consumer.has("10.0.0.1:8000,10.0.0.2:8000");
    await at.server.put(in_({ ready: false, serving: true, terminating: true }));
    await consumer.has("10.0.0.2:8000");
    await at.server.put(alone({ ready: false, serving: true, terminating: true }));
    await consumer.has("10.0.0.1:8000");
    await at.server.put(alone({ ready: false, serving: false, terminating: true }));
    await consumer.has("");
    await at.server.put(slice("a", []));
    await consumer.has("");
    await at.server.delete("a");
    await at.server.put(slice("c", ["10.0.0.3"]));
    await consumer.has("10.0.0.3:8000");
  });

  it("takes the zones of hints", async () => {
    const at = setting(), forZones = [{ name: "b" }];
    const endpoint = (host: string, hints?: object) => ({ addresses: [host], conditions: {}, zone: "a", hints });
    await at.server.put(slice("a", [endpoint("10.0.0.1", { forZones }), endpoint("10.0.0.2", { forZones })]));
    const consumer = at.consumer(await at.resolver({ zone: "b" }));
    const zones = () => consumer.last?.endpoints?.map(({ zone }) => zone).join();
    await eventually("they are in the zone of the hints", () => zones() === "b,b");
    await at.server.put(slice("a", [endpoint("10.0.0.1", { forZones }), endpoint("10.0.0.2")]));
    await eventually("one has no hint, so they are in their own", () => zones() === "a,a");
  });

  it("has each pod of a dual-stack service once, and a port by its name", async () => {
    const at = setting(), ports = [{ name: "grpc", port: 8000 }, { name: "web", port: 80 }];
    await at.server.put(slice("a", ["10.0.0.1"], { ports }), slice("b", ["fd00::1"], { ports, type: "IPv6" }));
    await at.consumer(await at.resolver({ port: "grpc" })).has("10.0.0.1:8000");
    await at.consumer(await at.resolver({ port: "web", addressType: "IPv6" })).has("[fd00::1]:80");
    await at.consumer(await at.resolver()).wasStale(/has several ports, grpc, web: name one/);
  });

  it("has the thousands of endpoints of a large service, in slices as long as they may be", async () => {
    const at = setting(), hosts = Array.from({ length: 2_000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
    await at.server.put(slice("a", hosts.slice(0, 1_000)));
    const consumer = at.consumer(await at.resolver());
    await eventually("they are listed", () => consumer.last?.endpoints?.length === 1_000);
    await at.server.put(slice("b", hosts.slice(1_000)));
    await eventually("and watched", () => consumer.last?.endpoints?.length === 2_000);
  });
}
