// The value of one key, on a scripted etcd and a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KeyWatch } from "../../src/etcd/watch/key-watch.ts";
import { WatchStreams } from "../../src/etcd/watch/watch-streams.ts";
import { EtcdClient } from "../../src/etcd/client/client.ts";
import type { WatchEvent } from "../../src/etcd/driver/driver.ts";
import type { RegistryEvent } from "../../src/registry/event.ts";
import type { ServiceConfigText } from "../../src/resolver/config-source.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { FakeEtcd } from "./fake-etcd.ts";

const KEY = "/service-config.simple";
const bytes = (text: string) => new TextEncoder().encode(text);

/** A watch of the key, and what its one consumer sees. */
function setUp({ etcd = new FakeEtcd() } = {}) {
  const clock = new ManualClock(), events: RegistryEvent[] = [], stop = new AbortController();
  const client = new EtcdClient({ driver: etcd, endpoints: [{ address: "e1:1" }], clock, random: () => 0.5 });
  const watch = new KeyWatch(new WatchStreams(client), KEY, (event) => void events.push(event), () => {});
  const seen: ServiceConfigText[] = [];
  const ended = (async () => {
    for await (const value of watch.consume(stop.signal)) seen.push(value);
  })();
  /** An event of the key, as etcd may send it again. */
  const send = (type: WatchEvent["type"], value: string, modRevision: bigint) => {
    const kv = { key: bytes(KEY), value: bytes(value), createRevision: 1n, modRevision, lease: 0n };
    etcd.stream.send({ header: etcd.header, events: [{ type, kv }] });
  };
  const types = () => events.map(({ type }) => type);
  return { etcd, clock, seen, send, events, types, stop: () => (stop.abort(), ended) };
}

describe("the watch of a key", () => {
  it("gives its value now and after each change, and undefined where there is none", async () => {
    const { etcd, seen, stop } = setUp();
    await settled();
    assert.deepEqual(seen.splice(0), [undefined]);
    for (const value of ["a", "b"]) {
      etcd.put(KEY, value);
      await settled();
    }
    etcd.remove(KEY);
    await settled();
    assert.deepEqual(seen, ["a", "b", undefined]);
    await stop();
  });

  it("gives no value that is the same as before, and sees no other key", async () => {
    const etcd = new FakeEtcd();
    etcd.put(KEY, "a");
    etcd.put(`${KEY}.other`, "b");
    const { seen, stop } = setUp({ etcd });
    await settled();
    etcd.put(KEY, "a");
    etcd.put(`${KEY}.other`, "c");
    await settled();
    assert.deepEqual(seen, ["a"]);
    await stop();
  });

  it("applies no event again that the list, or another event, had in it", async () => {
    const etcd = new FakeEtcd();
    etcd.put(KEY, "old");
    etcd.put(KEY, "a");
    const { seen, send, stop } = setUp({ etcd });
    await settled();
    send("put", "old", etcd.revision - 1n);
    send("delete", "", etcd.revision);
    await settled();
    assert.deepEqual(seen, ["a"]);
    etcd.put(KEY, "b");
    await settled();
    send("put", "a", etcd.revision - 1n);
    send("delete", "", etcd.revision);
    await settled();
    assert.deepEqual(seen, ["a", "b"]);
    await stop();
  });

  it("gives the last of several events at once", async () => {
    const { etcd, seen, stop } = setUp();
    await settled();
    const kv = (value: string, modRevision: bigint) => {
      return { key: bytes(KEY), value: bytes(value), createRevision: 1n, modRevision, lease: 0n };
    };
    const revision = etcd.revision + 2n;
    const events: WatchEvent[] = [{ type: "put", kv: kv("a", revision - 1n) }, { type: "put", kv: kv("b", revision) }];
    etcd.stream.send({ header: { ...etcd.header, revision }, events });
    await settled();
    assert.deepEqual(seen, [undefined, "b"]);
    await stop();
  });

  it("says why a value can't be read, and that once while it stays so", async () => {
    const { etcd, seen, stop } = setUp();
    await settled();
    etcd.put(KEY, new Uint8Array([0xff]));
    await settled();
    etcd.put(KEY, new Uint8Array([0xfe]));
    await settled();
    assert.equal(seen.length, 2);
    assert.ok(seen[1] instanceof Error);
    etcd.put(KEY, "x".repeat(2 ** 21));
    await settled();
    assert.match(String(seen[2]), /more than/);
    etcd.put(KEY, "a");
    await settled();
    assert.deepEqual(seen.slice(3), ["a"]);
    await stop();
  });

  it("says why nothing is known yet, then keeps what is known, and reports both", async () => {
    const etcd = new FakeEtcd();
    etcd.fault = () => new Error("connection refused");
    etcd.put(KEY, "a");
    const { clock, seen, events, types, stop } = setUp({ etcd });
    await settled();
    assert.match(String(seen[0]), /e1:1: connection refused$/);
    assert.deepEqual(types(), ["config-stale", "config-watch-restarted"]);
    etcd.fault = () => undefined;
    await clock.advance(100);
    assert.deepEqual([seen.at(-1), types().at(-1)], ["a", "config-fresh"]);
    etcd.fault = () => new Error("connection refused");
    etcd.stream.fail();
    await settled();
    assert.deepEqual([seen.at(-1), types().slice(3)], ["a", ["config-stale", "config-watch-restarted"]]);
    assert.ok(events.every((event) => "key" in event && event.key === KEY));
    await stop();
  });

  it("reports that its user may not read the key, and when it asks again", async () => {
    const etcd = new FakeEtcd();
    etcd.fault = () => new Error("etcdserver: permission denied");
    const { seen, events, stop } = setUp({ etcd });
    await settled();
    const refused = events.find(({ type }) => type === "auth-refused") as { key?: string; retryInMs: number };
    assert.equal(refused.key, KEY);
    assert.ok(refused.retryInMs > 10_000);
    assert.match(String(seen[0]), /permission denied/);
    await stop();
  });
});
