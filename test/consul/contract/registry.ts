import assert from "node:assert/strict";
import { it } from "node:test";
import { eventually } from "../../support/eventually.ts";
import { type Setting, soon } from "../backend.ts";

const server = { service: "simple", address: "10.0.0.5:8000", ttlSeconds: 30 };

/** What holds for a registry in Consul. */
export function registryStatements(setting: () => Setting): void {
  it("renews and removes an entry without memory of earlier calls", async () => {
    const at = setting(), once = () => at.registry();
    assert.equal(await once().renew({ ...server, weight: 2 }), "registered");
    assert.equal(await once().renew({ ...server, weight: 2 }), "renewed");
    assert.equal(await once().renew({ ...server, weight: 3 }), "registered");
    assert.equal(await once().renew({ ...server, weight: 3, zone: "a", metadata: { b: 1 } }), "registered");
    assert.equal(await once().renew({ ...server, weight: 3, zone: "a", metadata: { b: 1 } }), "renewed");
    await at.forget();
    assert.equal(await once().renew({ ...server, weight: 3 }), "registered");
    const consumer = at.consumer(once().resolver("simple"));
    await consumer.has("10.0.0.5:8000");
    await once().deregister(server);
    await once().deregister(server);
    await consumer.has("");
  });

  it("lists its services, with those of their instances that pass", async () => {
    const at = setting(), registry = at.registry();
    await at.put("a");
    await at.put("b", { Address: "10.0.0.2" });
    await at.put("c", { Name: "other", Address: "10.0.0.3" });
    await at.judge("b", "fail");
    await eventually("the catalog has it", async () => {
      assert.deepEqual(await registry.list(soon()), [
        { service: "consul", endpoints: 1, entries: 1 },
        { service: "other", endpoints: 1, entries: 1 },
        { service: "simple", endpoints: 1, entries: 2 },
      ]);
      return true;
    });
  });

  it("shows its registrations and watches", async () => {
    const at = setting(), registry = at.registry();
    await registry.register(server).ready;
    await at.consumer(registry.resolver("simple")).has("10.0.0.5:8000");
    const { registrations: [shown], watches } = registry.snapshot();
    assert.deepEqual(watches, [{ service: "simple", endpoints: 1, stale: undefined }]);
    assert.equal(shown!.key, "simple@10.0.0.5:8000");
    assert.equal(shown!.state, "registered");
    assert.equal(shown!.ttlSeconds, 30);
  });

  it("removes its registrations when it is closed, and ends its watches with the last set", async () => {
    const at = setting(), registry = at.registry();
    await registry.register(server).ready;
    const consumer = at.consumer(at.registry().resolver("simple")), own = at.consumer(registry.resolver("simple"));
    await own.has("10.0.0.5:8000");
    await registry.close();
    await consumer.has("");
    assert.match(own.last!.stale!.cause.message, /the registry was closed/);
    assert.throws(() => registry.register(server), /the registry is closed/);
    await assert.rejects(registry.list(soon()), /the registry is closed/);
  });
}
