import assert from "node:assert/strict";
import { it } from "node:test";
import { eventually } from "../../../support/eventually.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import type { Setting } from "../backend.ts";
import { slice } from "../slice.ts";

/** What holds for the watch of a service. */
export function watchStatements(setting: () => Setting): void {
  it("lists, and then watches from the list's resource version on, with bookmarks", async () => {
    const at = setting();
    await at.server.put(slice("a", ["10.0.0.1"]), slice("x", ["10.0.0.9"], { service: "other" }));
    const consumer = at.consumer(await at.resolver());
    await consumer.has("10.0.0.1:8000");
    await at.server.put(slice("b", ["10.0.0.2"]));
    await consumer.has("10.0.0.1:8000,10.0.0.2:8000");
    await at.server.put(slice("a", ["10.0.0.3"]));
    await consumer.has("10.0.0.2:8000,10.0.0.3:8000");
    await at.server.delete("b");
    await consumer.has("10.0.0.3:8000");
    const [list, watch] = at.sent;
    assert.equal(list!.path, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices");
    assert.deepEqual(Object.fromEntries(list!.query), { labelSelector: "kubernetes.io/service-name=simple" });
    const { resourceVersion, ...rest } = Object.fromEntries(watch!.query);
    assert.match(resourceVersion!, /^\d+$/);
    assert.deepEqual(rest, {
      labelSelector: "kubernetes.io/service-name=simple",
      watch: "1",
      allowWatchBookmarks: "true",
      timeoutSeconds: "241",
    });
    assert.equal(at.lists.length, 1);
    assert.ok(consumer.resolutions.every(({ stale }) => stale === undefined));
  });

  it("goes on where it was when the watch has ended, and its bookmarks say where that is", async () => {
    const at = setting();
    await at.server.put(slice("a", ["10.0.0.1"]));
    at.watchSeconds = at.server.shortWatchSeconds;
    const consumer = at.consumer(await at.resolver());
    await at.watching();
    // Nothing of this service: only a bookmark can tell.
    await at.server.put(slice("x", ["10.0.0.9"], { service: "other" }));
    await at.watching(2);
    at.watchSeconds = undefined;
    const [first, second] = at.watches.map(({ query }) => Number(query.get("resourceVersion")));
    assert.ok(second! > first!, `${second} after ${first}`);
    await at.server.put(slice("a", ["10.0.0.2"]));
    await consumer.has("10.0.0.2:8000");
    assert.equal(at.lists.length, 1);
    assert.ok(consumer.resolutions.every(({ stale }) => stale === undefined));
  });

  it("misses nothing that changed while the connection was cut, and says that its set was stale", async () => {
    const at = setting();
    await at.server.put(slice("a", ["10.0.0.1"]), slice("b", ["10.0.0.9"]));
    const consumer = at.consumer(await at.resolver());
    await at.watching();
    const release = at.hold();
    await at.server.put(slice("a", ["10.0.0.2"]));
    await at.server.delete("b");
    release();
    await consumer.has("10.0.0.2:8000");
    assert.equal(at.lists.length, 1);
    assert.ok(consumer.resolutions.some(({ stale }) => stale !== undefined));
  });

  it("lists again when the server was restarted and the changes since its version are gone", async () => {
    const at = setting();
    await at.server.put(slice("a", ["10.0.0.1"]), slice("b", ["10.0.0.2"]));
    const consumer = at.consumer(await at.resolver());
    await at.watching();
    const release = at.hold();
    await at.server.delete("b");
    await at.server.put(slice("c", ["10.0.0.3"]));
    await at.server.stop();
    await at.server.start();
    release();
    await consumer.has("10.0.0.1:8000,10.0.0.3:8000");
    assert.equal(at.lists.length, 2);
  });

  it("keeps the last set, marked as stale, while the server can't be reached", async () => {
    const at = setting();
    await at.server.put(slice("a", ["10.0.0.1"]));
    const consumer = at.consumer(await at.resolver());
    await consumer.has("10.0.0.1:8000");
    await at.server.stop();
    await consumer.wasStale(/no answer of the Kubernetes API server/);
    assert.equal(consumer.addresses, "10.0.0.1:8000");
    await at.server.start();
    await at.server.put(slice("a", ["10.0.0.2"]));
    await consumer.has("10.0.0.2:8000");
  });

  it("lists again when its watch stays silent, because the server's versions have gone back", async () => {
    const at = setting(), clock = new ManualClock();
    // So many changes that a server with nothing is behind.
    for (let i = 1; i <= 100; i++) await at.server.put(slice("a", [`10.0.0.${i}`]));
    let token = await at.server.token("watcher");
    const consumer = at.consumer(at.resolverWith(() => token, { clock }));
    await consumer.has("10.0.0.100:8000");
    await at.watching();
    const release = at.hold();
    await at.server.restore();
    token = await at.server.token("watcher");
    await at.server.put(slice("b", ["10.0.0.2"]));
    release();
    await eventually("it has the new set", async () => {
      await clock.advance(1_000);
      return consumer.addresses === "10.0.0.2:8000" && consumer.last!.stale === undefined;
    });
  });
}
