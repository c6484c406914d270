import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMemoryRegistry } from "../../src/registry/memory.ts";
import { ManualClock } from "../support/manual-clock.ts";

describe("a registry in memory", () => {
  it("resolves what registers, with its attributes, and forgets what is closed", async () => {
    const registry = createMemoryRegistry();
    const stop = new AbortController();
    const sets = registry.resolver("a").resolve(stop.signal)[Symbol.asyncIterator]();
    assert.deepEqual((await sets.next()).value, { endpoints: [] });

    const registration = registry.register({ service: "a", address: "10.0.0.5:80", weight: 2 });
    registry.register({ service: "b", address: "10.0.0.6:80" });
    await registration.ready;
    assert.equal(registration.state, "registered");
    const endpoints = async () => (await sets.next()).value?.endpoints;
    assert.deepEqual(await endpoints(), [{ address: "10.0.0.5:80", incarnation: "1", weight: 2 }]);
    await registration.update({ zone: "z" });
    assert.deepEqual(await endpoints(), [{ address: "10.0.0.5:80", incarnation: "1", zone: "z" }]);
    await registration.close();
    await registration.close();
    assert.deepEqual(await endpoints(), []);
    await assert.rejects(registration.update({}), /closed/);

    const left = registry.register({ service: "a", address: "10.0.0.7:80" });
    await registry.close();
    assert.equal(left.state, "closed");
    assert.equal((await sets.next()).done, true);
    const { signal } = new AbortController();
    await assert.rejects(
      registry.resolver("a").resolve(signal)[Symbol.asyncIterator]().next(),
      /the registry is closed/,
    );
    await assert.rejects(registry.resolver("a").list!(signal), /the registry is closed/);
    assert.throws(() => registry.register({ service: "a", address: "10.0.0.5:80" }), /closed/);
  });

  it("has a snapshot: what is registered, and the services that are resolved", async () => {
    const clock = new ManualClock();
    const registry = createMemoryRegistry({ clock });
    clock.skip(1_000);
    const registration = registry.register({ service: "a", address: "10.0.0.5:80", ttlSeconds: 7 });
    const of = () => registry.snapshot().registrations.map(({ state, sinceMs }) => ({ state, sinceMs }));
    assert.deepEqual(of(), [{ state: "pending", sinceMs: 1_000 }]);
    clock.skip(1_000);
    await registration.ready;
    assert.deepEqual(registry.snapshot(), {
      nowMs: 2_000,
      registrations: [{
        service: "a",
        address: "10.0.0.5:80",
        state: "registered",
        sinceMs: 2_000,
        ttlSeconds: 7,
        renewedMs: undefined,
        key: undefined,
        lastError: undefined,
      }],
      watches: [],
    });
    const stop = new AbortController();
    for (const service of ["b", "a"]) {
      await registry.resolver(service).resolve(stop.signal)[Symbol.asyncIterator]().next();
    }
    assert.deepEqual(registry.snapshot().watches, [
      { service: "a", endpoints: 1, stale: undefined },
      { service: "b", endpoints: 0, stale: undefined },
    ]);
    await registration.close();
    assert.deepEqual(registry.snapshot().registrations, []);
    await registry.close();
    assert.equal(registry.snapshot().nowMs, 2_000);
  });

  it("shows its consumers what is renewed, expires and is removed, each time as another incarnation", async () => {
    const clock = new ManualClock();
    const registry = createMemoryRegistry({ clock });
    const { signal } = new AbortController();
    const sets = registry.resolver("a").resolve(signal)[Symbol.asyncIterator]();
    const next = async () => (await sets.next()).value?.endpoints;
    const server = { service: "a", address: "10.0.0.5:80", ttlSeconds: 60 };
    assert.deepEqual(await next(), []);
    await registry.deregister(server);
    await registry.renew({ ...server, weight: 2 });
    assert.deepEqual(await next(), [{ address: "10.0.0.5:80", incarnation: "1", weight: 2 }]);
    await clock.advance(59_999);
    assert.equal((await registry.resolver("a").list!(signal)).endpoints?.length, 1);
    await clock.advance(1);
    assert.deepEqual(await next(), []);
    await registry.renew(server);
    assert.deepEqual(await next(), [{ address: "10.0.0.5:80", incarnation: "2" }]);
    await registry.deregister(server);
    assert.deepEqual(await next(), []);
    await registry.register(server).ready;
    assert.deepEqual(await next(), [{ address: "10.0.0.5:80", incarnation: "3" }]);
    await registry.close();
  });

  it("holds no registration that was closed", async (t) => {
    const registry = createMemoryRegistry();
    const registration = registry.register({ service: "a", address: "10.0.0.5:80" });
    await registration.close();
    const again = t.mock.method(registration, "close");
    await registry.close();
    assert.equal(again.mock.callCount(), 0);
  });

  it("refuses invalid options and names", () => {
    assert.throws(() => createMemoryRegistry({ clok: 1 } as never), /no option "clok": did you mean clock/);
    assert.throws(() => createMemoryRegistry().resolver("a b"), /service name "a b"/);
  });

  it("takes names with slashes, as some layouts do", async () => {
    const registry = createMemoryRegistry();
    await registry.register({ service: "foo/bar", address: "10.0.0.5:80" }).ready;
    const { endpoints } = await registry.resolver("foo/bar").list!(new AbortController().signal);
    assert.equal(endpoints?.length, 1);
  });

  it("lists the services that have entries, by name", async () => {
    const registry = createMemoryRegistry();
    const { signal } = new AbortController();
    registry.resolver("nobody");
    assert.deepEqual(await registry.list(signal), []);
    const registrations = [["b", 1], ["c", 1], ["a", 1], ["a", 2], ["b", 1]].map(([service, host]) =>
      registry.register({ service: String(service), address: `10.0.0.${host}:80` })
    );
    await Promise.all(registrations.map(({ ready }) => ready));
    assert.deepEqual(await registry.list(signal), [
      { service: "a", endpoints: 2, entries: 2 },
      { service: "b", endpoints: 1, entries: 1 },
      { service: "c", endpoints: 1, entries: 1 },
    ]);
    await registrations[1]?.close();
    await registrations[2]?.close();
    assert.deepEqual(await registry.list(signal), [
      { service: "a", endpoints: 1, entries: 1 },
      { service: "b", endpoints: 1, entries: 1 },
    ]);
    await assert.rejects(registry.list(AbortSignal.abort(new Error("enough"))), /enough/);
    await registry.close();
    await assert.rejects(registry.list(signal), /closed/);
  });

  it("leaves the entry of the last writer", async () => {
    const registry = createMemoryRegistry();
    const first = registry.register({ service: "a", address: "10.0.0.5:80" });
    await first.ready;
    const second = registry.register({ service: "a", address: "10.0.0.5:80" });
    await second.ready;
    await first.close();
    const list = async () => (await registry.resolver("a").list!(new AbortController().signal)).endpoints;
    assert.deepEqual(await list(), [{ address: "10.0.0.5:80", incarnation: "2" }]);
    await second.close();
    assert.deepEqual(await list(), []);
  });

  it("rejects ready when closed before", async () => {
    const registration = createMemoryRegistry().register({ service: "a", address: "10.0.0.5:80" });
    await registration.close();
    await assert.rejects(registration.ready, /closed before it succeeded/);
  });
});
