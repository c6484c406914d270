// What a registry's snapshot says of its registrations and watches, on a scripted etcd and a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settled } from "../support/manual-clock.ts";
import { createWorkerEtcdRegistry } from "../../src/workers.ts";
import { consume, setUp } from "./scripted.ts";

const down = new Error("connection refused");

describe("the snapshot of a registry in etcd", () => {
  it("is empty before anything was asked for, and does nothing", async () => {
    const { etcd, clock, registry } = setUp();
    clock.skip(1_000);
    assert.deepEqual(registry.snapshot(), { nowMs: 1_000, registrations: [], watches: [] });
    await settled();
    assert.deepEqual([etcd.calls, clock.pending], [[], []]);
  });

  it("has each registration, with its key, its last renewal and why it is not well", async () => {
    const { etcd, clock, registry } = setUp();
    etcd.fault = () => down;
    const registration = registry.register({ service: "a", address: "10.0.0.1:80", ttlSeconds: 15 });
    const of = () => registry.snapshot().registrations[0]!;
    const began = registry.snapshot().nowMs;
    await settled();
    const lastError = "etcd at e1:1: connection refused";
    assert.deepEqual(of(), {
      service: "a",
      address: "10.0.0.1:80",
      state: "pending",
      sinceMs: began,
      ttlSeconds: 15,
      renewedMs: undefined,
      key: undefined,
      lastError,
    });
    etcd.fault = () => undefined;
    await clock.advance(1_000);
    const registered = of();
    assert.ok(registered.sinceMs > began && registered.sinceMs < began + 1_000);
    assert.deepEqual(registered, {
      service: "a",
      address: "10.0.0.1:80",
      state: "registered",
      sinceMs: registered.sinceMs,
      ttlSeconds: 15,
      renewedMs: registered.sinceMs,
      key: "/grpclb/a/10.0.0.1:80",
      lastError: undefined,
    });
    await clock.advance(10_000);
    assert.equal(of().sinceMs, registered.sinceMs);
    assert.equal(of().renewedMs, registered.sinceMs + 10_000);

    etcd.fault = () => down;
    await clock.advance(6_000);
    assert.deepEqual([of().state, of().lastError], ["registered", lastError]);
    await clock.advance(10_000);
    assert.deepEqual([of().state, of().lastError], ["suspect", lastError]);
    etcd.fault = () => undefined;
    await clock.advance(2_000);
    assert.deepEqual([of().state, of().lastError], ["registered", undefined]);

    await registration.close();
    assert.deepEqual(registry.snapshot().registrations, []);
  });

  it("says that another program holds the key", async () => {
    const { etcd, clock, registry } = setUp();
    registry.register({ service: "a", address: "10.0.0.1:80", ttlSeconds: 15 });
    await settled();
    etcd.put("/grpclb/a/10.0.0.1:80", "10.0.0.1:80");
    await clock.advance(15_000);
    const { state, lastError } = registry.snapshot().registrations[0]!;
    assert.equal(state, "lost");
    assert.match(lastError!, /is held by another program/);
  });

  it("has each watched service, and whether it is stale", async () => {
    const { etcd, clock, registry } = setUp();
    etcd.put("/grpclb/b/10.0.0.1:80", "10.0.0.1:80");
    const consumers = ["b", "c", "a"].map((service) => consume(registry.resolver(service)));
    assert.deepEqual(registry.snapshot().watches, [
      { service: "a", endpoints: undefined, stale: undefined },
      { service: "b", endpoints: undefined, stale: undefined },
      { service: "c", endpoints: undefined, stale: undefined },
    ]);
    await settled();
    assert.deepEqual(registry.snapshot().watches, [
      { service: "a", endpoints: 0, stale: undefined },
      { service: "b", endpoints: 1, stale: undefined },
      { service: "c", endpoints: 0, stale: undefined },
    ]);
    await clock.advance(100);
    etcd.fault = () => down;
    etcd.stream.fail(new Error("secret\n\u202etext".padEnd(1_000, ".")));
    await settled();
    const { nowMs, watches } = registry.snapshot();
    assert.equal(watches[1]!.endpoints, 1);
    assert.equal(watches[1]!.stale!.sinceMs, nowMs);
    // Text from elsewhere can neither be long nor change what is around it.
    assert.match(watches[1]!.stale!.cause, /^[\x20-\x7e…]{1,201}$/);
    for (const { stop } of consumers) stop();
    await settled();
    assert.deepEqual(registry.snapshot().watches, []);
  });

  it("is empty for the requests of a Worker, which keep nothing", () => {
    const registry = createWorkerEtcdRegistry({ endpoints: ["http://etcd:2379"], connect: () => assert.fail() });
    const { registrations, watches } = registry.snapshot();
    assert.deepEqual([registrations, watches], [[], []]);
  });
});
