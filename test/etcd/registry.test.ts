// What a resolver guarantees, on a scripted etcd and a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EtcdDriver } from "../../src/etcd/driver/driver.ts";
import type { EtcdRegistryOptions } from "../../src/etcd/options.ts";
import { createRegistryOver } from "../../src/etcd/registry.ts";
import { RequestRegistry } from "../../src/etcd/request-registry.ts";
import { etcdNaming } from "../../src/registry/layout/etcd-naming.ts";
import { kratos } from "../../src/registry/layout/kratos.ts";
import type { Registry } from "../../src/registry/registry.ts";
import { settled } from "../support/manual-clock.ts";
import type { FakeEtcd } from "./fake-etcd.ts";
import { consume, setUp } from "./scripted.ts";

const down = new Error("connection refused");
const key = (n: number) => `/grpclb/a/10.0.0.${n}:80`;
const address = (n: number) => `10.0.0.${n}:80`;

/** A registry whose service "a" has one endpoint, with a consumer that has seen it. */
async function withOne(options: Partial<EtcdRegistryOptions> = {}) {
  const all = setUp(options);
  all.etcd.put(key(1), address(1));
  const consumer = consume(all.registry.resolver("a"));
  await settled();
  assert.deepEqual(consumer.now, [address(1)]);
  return { ...all, consumer };
}

describe("a resolver over etcd", () => {
  it("D1: lists, then watches from the list's revision + 1", async () => {
    const { etcd, consumer } = await withOne();
    assert.deepEqual(etcd.calls.map(({ method }) => method), ["range", "watch"]);
    assert.equal(etcd.stream.request.startRevision, 3n);
    etcd.put(key(2), address(2));
    await settled();
    assert.deepEqual(consumer.now, [address(1), address(2)]);
    etcd.remove(key(1));
    await settled();
    assert.deepEqual(consumer.now, [address(2)]);
  });

  it("D1: sees what happened between the list and the watch", async () => {
    const { etcd, registry } = setUp();
    etcd.fault = (call) => {
      if (call.method === "watch") etcd.put(key(1), address(1));
      return undefined;
    };
    const consumer = consume(registry.resolver("a"));
    await settled();
    assert.deepEqual(consumer.now, [address(1)]);
  });

  it("D1: never reads another service's keys", async () => {
    const { etcd, consumer } = await withOne();
    etcd.put("/grpclb/a-admin/10.0.0.9:80", "10.0.0.9:80");
    const { key: from, rangeEnd } = etcd.stream.request;
    assert.equal(new TextDecoder().decode(from), "/grpclb/a/");
    assert.equal(new TextDecoder().decode(rangeEnd), "/grpclb/a0");
    await settled();
    assert.deepEqual(consumer.now, [address(1)]);
  });

  it("D2: goes on behind the last event, whatever the header says", async () => {
    const { etcd, clock, consumer } = await withOne();
    etcd.delivers = false;
    for (let n = 2; n <= 6; n++) etcd.put(key(n), address(n));
    // A batch of a catch-up: two events, under the header of the whole store.
    etcd.stream.send({ header: etcd.header, events: etcd.history.slice(1, 3) });
    // An answer to a progress request overtakes the other events.
    etcd.stream.send({ header: etcd.header, watchId: -1n });
    await settled();
    etcd.delivers = true;
    etcd.stream.fail();
    await clock.advance(100);
    assert.equal(etcd.stream.request.startRevision, 5n);
    assert.deepEqual(consumer.now, [1, 2, 3, 4, 5, 6].map(address));
    assert.equal(etcd.count("range"), 1);
  });

  it("D2: counts the header of the watch's own progress notification", async () => {
    const { etcd, clock } = await withOne();
    etcd.revision = 50n;
    etcd.stream.send({ header: etcd.header });
    etcd.stream.fail();
    await clock.advance(100);
    assert.equal(etcd.stream.request.startRevision, 51n);
  });

  it("D2: a response in fragments counts when it is whole", async () => {
    const { etcd, clock, consumer } = await withOne();
    etcd.delivers = false;
    etcd.put(key(2), address(2));
    etcd.put(key(3), address(3));
    etcd.stream.send({ header: etcd.header, events: etcd.history.slice(1, 2), fragment: true });
    await settled();
    assert.deepEqual(consumer.now, [address(1)]);
    etcd.stream.send({ header: etcd.header, events: etcd.history.slice(2, 3) });
    await settled();
    assert.deepEqual(consumer.now, [1, 2, 3].map(address));

    etcd.put(key(4), address(4));
    etcd.stream.send({ header: etcd.header, events: etcd.history.slice(3), fragment: true });
    etcd.stream.fail();
    etcd.delivers = true;
    await clock.advance(100);
    assert.equal(etcd.stream.request.startRevision, 5n);
    assert.deepEqual(consumer.now, [1, 2, 3, 4].map(address));
  });

  it("D2: what came in fragments of a response that was never completed is delivered with the next list", async () => {
    const { etcd, clock, registry } = setUp();
    const consumer = consume(registry.resolver("a"));
    await settled();
    etcd.delivers = false;
    etcd.put("/grpclb/a/10.0.0.5:80", "10.0.0.5:80");
    etcd.stream.send({ header: etcd.header, events: etcd.history.slice(), fragment: true });
    await settled();
    assert.deepEqual(consumer.now, []);
    etcd.stream.send({ header: etcd.header, canceled: true, compactRevision: 2n });
    await clock.advance(0);
    assert.deepEqual(consumer.now, ["10.0.0.5:80"]);
    assert.equal(consumer.stale, undefined);
    await registry.close();
  });

  it("D2: events that come twice have no effect", async () => {
    const { etcd, clock, consumer } = await withOne();
    etcd.put(key(1), '{"Addr":"10.0.0.1:80","weight":2}');
    etcd.put(key(1), '{"Addr":"10.0.0.1:80","weight":3}');
    await settled();
    etcd.stream.send({ header: etcd.header, events: etcd.history.slice(0, 2) });
    await settled();
    assert.equal(consumer.seen.at(-1)?.endpoints?.[0]?.weight, 3);
    etcd.stream.fail();
    await clock.advance(100);
    assert.equal(etcd.stream.request.startRevision, 5n);
  });

  it("D2: the newest event of a key, when it comes again, is not delivered", async () => {
    const { etcd, consumer, types } = await withOne();
    etcd.put(key(2), address(2));
    etcd.put("/grpclb/a/bad", "host:99999");
    await settled();
    const told = { sets: consumer.seen.length, events: types() };
    assert.deepEqual(told.events, ["value-skipped"]);
    etcd.stream.send({ header: etcd.header, events: etcd.history.slice(-2) });
    await settled();
    assert.deepEqual({ sets: consumer.seen.length, events: types() }, told);
  });

  it("D3: compacted while cut: lists again, and delivers the difference in one update", async () => {
    const { etcd, clock, consumer, types } = await withOne();
    etcd.fault = (call) => call.method === "watch" ? down : undefined;
    etcd.stream.fail();
    await clock.advance(500);
    etcd.remove(key(1));
    for (let n = 2; n <= 4; n++) etcd.put(key(n), address(n));
    etcd.compact();
    const before = consumer.seen.length;
    etcd.fault = () => undefined;
    await clock.advance(2_000);
    assert.deepEqual(consumer.now, [2, 3, 4].map(address));
    const sets = consumer.seen.slice(before).map(({ endpoints }) => endpoints?.length);
    assert.deepEqual(sets.filter((size, i) => size !== sets[i - 1]), [1, 3]);
    assert.equal(consumer.stale, undefined);
    assert.ok(types().includes("watch-restarted"));
    etcd.put(key(5), address(5));
    await settled();
    assert.deepEqual(consumer.now, [2, 3, 4, 5].map(address));
  });

  it("D3: canceled: lists again at once, and says nothing where nothing changed", async () => {
    const { etcd, clock, consumer, events } = await withOne();
    etcd.stream.send({ header: etcd.header, canceled: true, cancelReason: "watcher is gone" });
    await clock.advance(0);
    assert.deepEqual(etcd.calls.map(({ method }) => method), ["range", "watch", "range", "watch"]);
    assert.equal(consumer.seen.length, 1);
    assert.deepEqual(events.map((event) => event.type === "watch-restarted" && event.cause.message), [
      "etcd canceled the watch: watcher is gone",
    ]);
  });

  it("D3: canceled again and again: with backoff", async () => {
    const { etcd, clock } = await withOne();
    etcd.compacted = 1_000n;
    etcd.stream.fail();
    await clock.advance(60_000);
    const lists = etcd.count("range");
    assert.ok(lists > 20 && lists < 80, `${lists} lists in a minute`);
  });

  it("D4: the revision went back: lists again", async () => {
    const { etcd, clock, consumer, events } = await withOne();
    etcd.revision = 100n;
    etcd.put(key(2), address(2));
    await settled();
    etcd.keys.clear();
    etcd.history = [];
    etcd.revision = 5n;
    etcd.put(key(3), address(3));
    etcd.stream.fail();
    await clock.advance(300);
    assert.deepEqual(consumer.now, [address(3)]);
    assert.ok(
      events.some((event) => event.type === "watch-restarted" && /went back from 101 to 6/.test(event.cause.message)),
    );
    assert.equal(etcd.stream.request.startRevision, 7n);
  });

  it("D4: within a stream a lower revision says nothing: an answer to a progress request may be overtaken", async () => {
    const { etcd, consumer, types } = await withOne();
    const { header } = etcd;
    etcd.put(key(2), address(2));
    await settled();
    etcd.stream.send({ header, watchId: -1n });
    etcd.put(key(3), address(3));
    await settled();
    assert.deepEqual(consumer.now, [address(1), address(2), address(3)]);
    assert.deepEqual([types(), etcd.count("range"), etcd.streams.length], [[], 1, 1]);
  });

  for (
    const [what, wipe] of [
      ["another cluster", (etcd: FakeEtcd) => (etcd.clusterId = 8n)],
      ["a raft term that began anew", (etcd: FakeEtcd) => (etcd.raftTerm = 1n)],
    ] as const
  ) {
    it(`D4: ${what} under a higher revision: lists again`, async () => {
      const { etcd, clock, consumer } = await withOne();
      wipe(etcd);
      etcd.keys.clear();
      etcd.history = [];
      etcd.revision = 500n;
      etcd.put(key(3), address(3));
      etcd.stream.fail();
      await clock.advance(300);
      assert.deepEqual(consumer.now, [address(3)]);
    });
  }

  it("D4: restored, and written past our revision before we are back: noticed by a list within 5 s", async () => {
    const { etcd, clock, consumer } = await withOne();
    etcd.put(key(2), address(2));
    await settled();
    etcd.stream.fail();
    // In the restored store, key 2 was never written, and others were.
    etcd.keys.delete(key(2));
    etcd.history = [];
    etcd.revision = 2n;
    etcd.put(key(3), address(3));
    etcd.revision = 500n;
    await clock.advance(300);
    assert.deepEqual(consumer.now, [address(1), address(2)]);
    await clock.advance(5_000);
    assert.deepEqual(consumer.now, [address(1), address(3)]);
    assert.equal(consumer.stale, undefined);
    assert.equal(etcd.stream.request.startRevision, 501n);
  });

  it("D4: a cut costs one list, and no consumer hears of it", async () => {
    const { etcd, clock, consumer, types } = await withOne();
    etcd.stream.fail();
    await clock.advance(300);
    const seen = consumer.seen.length;
    await clock.advance(60_000);
    assert.equal(etcd.count("range"), 2);
    assert.equal(etcd.streams.length, 3);
    assert.equal(consumer.seen.length, seen);
    assert.deepEqual(types(), ["set-stale", "watch-restarted", "set-fresh"]);
  });

  it("D5: a silent watch is given up within 7.5 s for another endpoint", async () => {
    const { etcd, clock, consumer } = await withOne({ endpoints: ["e1:1", "e2:1"] });
    await clock.advance(60_000);
    assert.deepEqual(etcd.resets, []);
    assert.ok(etcd.stream.asked >= 20);
    const dead = etcd.stream.endpoint;
    etcd.answersProgress = false;
    etcd.delivers = false;
    await clock.advance(7_400);
    etcd.delivers = true;
    await clock.advance(200);
    assert.deepEqual(etcd.resets, [dead]);
    assert.notEqual(etcd.stream.endpoint, dead);
    assert.equal(consumer.stale, undefined);
    assert.equal(etcd.count("range"), 1);
  });

  it("D5: a watch that is never opened is given up after 3 s", async () => {
    const { etcd, clock, consumer } = await withOne();
    etcd.fault = (call) => call.method === "watch" ? "hang" : undefined;
    etcd.stream.fail();
    await clock.advance(3_100);
    assert.deepEqual(etcd.resets, ["e1:1"]);
    assert.match(consumer.stale ?? "", /cut/);
  });

  it("D5: refresh asks a watch for its progress, once", async () => {
    const { etcd, registry } = await withOne();
    etcd.answersProgress = false;
    registry.resolver("a").refresh?.();
    registry.resolver("a").refresh?.();
    assert.equal(etcd.stream.asked, 1);
  });

  it("D5: where streams may not live long, reopens them from where they were", async () => {
    const { etcd, clock, consumer } = await withOne();
    etcd.capabilities.maxStreamMs = 60_000;
    etcd.stream.fail();
    // The list is read again after a cut; from then on nothing else ends a stream.
    await clock.advance(6_000);
    assert.equal(etcd.streams.length, 3);
    const seen = consumer.seen.length;
    etcd.put(key(2), address(2));
    await clock.advance(61_000);
    assert.equal(etcd.streams.length, 4);
    assert.equal(etcd.stream.request.startRevision, 4n);
    assert.equal(consumer.seen.length, seen + 1);
  });

  it("D6: etcd away: the last set stands, stale since then, and is fresh again", async () => {
    const { etcd, clock, consumer, types } = await withOne();
    await clock.advance(5_000);
    etcd.fault = () => down;
    etcd.stream.fail();
    await clock.advance(120_000);
    assert.deepEqual(consumer.now, [address(1)]);
    assert.equal(consumer.seen.at(-1)?.stale?.sinceMs, 5_000);
    assert.match(consumer.stale ?? "", /cut/);
    assert.equal(consumer.seen.length, 2);
    etcd.fault = () => undefined;
    await clock.advance(2_000);
    assert.equal(consumer.stale, undefined);
    assert.deepEqual(consumer.now, [address(1)]);
    assert.deepEqual(types().filter((type) => type !== "watch-restarted"), ["set-stale", "set-fresh"]);
  });

  it("D6: etcd away from the start: nothing is known, and why", async () => {
    const { etcd, clock, registry } = setUp();
    etcd.fault = () => down;
    const consumer = consume(registry.resolver("a"));
    await clock.advance(30_000);
    assert.equal(consumer.seen.length, 1);
    assert.equal(consumer.seen[0]?.endpoints, undefined);
    assert.match(consumer.stale ?? "", /e1:1: connection refused/);
    etcd.put(key(1), address(1));
    etcd.fault = () => undefined;
    await clock.advance(2_000);
    assert.deepEqual(consumer.now, [address(1)]);
  });

  it("D6: goes to another etcd endpoint on each try", async () => {
    const { etcd, clock, registry } = setUp({ endpoints: ["e1:1", "e2:1", "e3:1"] });
    etcd.fault = () => down;
    consume(registry.resolver("a"));
    await clock.advance(10_000);
    const order = etcd.calls.map(({ endpoint }) => endpoint);
    assert.ok(order.length > 6);
    for (let i = 1; i < order.length; i++) assert.notEqual(order[i], order[i - 1]);
  });

  it("D6: what begins later begins at the etcd endpoint that answered last", async () => {
    const { etcd, clock, registry } = setUp({ endpoints: ["e1:1", "e2:1", "e3:1"] });
    etcd.fault = ({ endpoint }) => endpoint === "e3:1" ? undefined : down;
    consume(registry.resolver("a"));
    await clock.advance(10_000);
    assert.equal(etcd.stream.endpoint, "e3:1");
    const before = etcd.calls.length;
    await registry.resolver("b").list!(new AbortController().signal);
    consume(registry.resolver("c"));
    registry.register({ service: "d", address: address(4) });
    await settled();
    const since = new Set(etcd.calls.slice(before).map(({ method, endpoint }) => `${method} ${endpoint}`));
    assert.deepEqual([...since].sort(), ["leaseGrant e3:1", "range e3:1", "txn e3:1", "watch e3:1"]);
    await registry.close();
  });

  it("D7: skips a malformed value, says so once, and the others go on", async () => {
    const { etcd, clock, registry, events } = setUp();
    etcd.put(key(1), address(1));
    etcd.put("/grpclb/a/bad", "evil.example/@host:1");
    const consumer = consume(registry.resolver("a"));
    await settled();
    assert.deepEqual(consumer.now, [address(1)]);
    etcd.put(key(2), address(2));
    etcd.stream.send({ header: etcd.header, canceled: true });
    await clock.advance(1_000);
    etcd.put("/grpclb/a/binary", new Uint8Array([0xff, 0xfe, 0]));
    etcd.put("/grpclb/a/huge", "x".repeat(1 << 20));
    await settled();
    assert.deepEqual(consumer.now, [address(1), address(2)]);
    const skipped = events.flatMap((event) => event.type === "value-skipped" ? [event.key] : []);
    assert.deepEqual(skipped, ["/grpclb/a/bad", "/grpclb/a/binary", "/grpclb/a/huge"]);
    // A new value is a new chance, and a new report.
    etcd.put("/grpclb/a/bad", address(3));
    etcd.put("/grpclb/a/bad", "host:99999");
    await settled();
    assert.equal(events.filter(({ type }) => type === "value-skipped").length, 4);
  });

  it("leaves the keys of services below its own out, listed or watched, without an event", async () => {
    const { etcd, registry, types } = setUp();
    etcd.put(key(1), address(1));
    etcd.put("/grpclb/a/b/10.0.0.9:80", address(9));
    etcd.put("/grpclb/a/b/binary", new Uint8Array([0xff, 0xfe, 0]));
    const consumer = consume(registry.resolver("a"));
    await settled();
    etcd.put("/grpclb/a/b/10.0.0.8:80", address(8));
    etcd.put("/grpclb/a/b/huge", "x".repeat(1 << 20));
    etcd.remove("/grpclb/a/b/10.0.0.9:80");
    etcd.put(key(2), address(2));
    await settled();
    assert.deepEqual(consumer.now, [address(1), address(2)]);
    const listed = await registry.resolver("a").list!(new AbortController().signal);
    assert.deepEqual(listed.endpoints?.map((endpoint) => endpoint.address).sort(), [address(1), address(2)]);
    assert.deepEqual(types(), []);
  });

  it("sees them where the layout's Go side does", async () => {
    const { etcd, registry, types } = setUp({ layout: etcdNaming({ prefix: "foo" }) });
    const value = (n: number) => `{"Op":0,"Addr":"${address(n)}","Metadata":null}`;
    etcd.put("foo/a/10.0.0.1:80", value(1));
    etcd.put("foo/a/b/10.0.0.2:80", value(2));
    const above = consume(registry.resolver("a")), below = consume(registry.resolver("a/b"));
    await settled();
    assert.deepEqual([above.now, below.now, types()], [[address(1), address(2)], [address(2)], []]);
  });

  it("of kratos distinguishes services by the name in the value, as it changes", async () => {
    const { etcd, registry, types } = setUp({ layout: kratos() });
    const put = (key: string, name: string, n: number) =>
      etcd.put(`/microservices/${key}`, `{"id":"x","name":"${name}","endpoints":["grpc://${address(n)}"]}`);
    put("st/1", "st", 1);
    put("st/sub/2", "st/sub", 2);
    const sub = async () =>
      (await registry.resolver("st/sub").list!(new AbortController().signal)).endpoints?.map(({ address }) => address);
    const st = consume(registry.resolver("st"));
    await settled();
    assert.deepEqual([st.now, await sub()], [[address(1)], [address(2)]]);
    put("st/sub/2", "st", 3);
    put("st/1", "other", 1);
    await settled();
    assert.deepEqual([st.now, await sub(), types()], [[address(3)], [], []]);
  });

  it("D7: a listener that throws has no effect", async (t) => {
    const printed = t.mock.method(console, "error", () => {});
    const { etcd, consumer, clock } = await withOne({ onEvent: () => assert.fail("listener") });
    etcd.stream.fail();
    await clock.advance(1_000);
    assert.equal(consumer.stale, undefined);
    assert.ok(printed.mock.callCount() > 0);
  });

  it("D8: a consumer that is slow gets the newest set, and nothing in between", async () => {
    const { etcd, registry } = setUp();
    const iterator = registry.resolver("a").resolve(new AbortController().signal)[Symbol.asyncIterator]();
    assert.deepEqual((await iterator.next()).value?.endpoints, []);
    for (let n = 1; n <= 200; n++) etcd.put(key(n), address(n));
    etcd.remove(key(7));
    await settled();
    assert.equal((await iterator.next()).value?.endpoints?.length, 199);
    const next = iterator.next();
    etcd.remove(key(8));
    assert.equal((await next).value?.endpoints?.length, 198);
  });

  it("D8: an unchanged endpoint stays the same object", async () => {
    const { etcd, clock, consumer } = await withOne();
    etcd.delivers = false;
    etcd.put(key(2), address(2));
    etcd.stream.send({ header: etcd.header, canceled: true });
    await clock.advance(0);
    assert.deepEqual(consumer.now, [address(1), address(2)]);
    const [first, second] = [consumer.seen[0], consumer.seen.at(-1)];
    assert.equal(first?.endpoints?.[0], second?.endpoints?.[0]);
  });

  it("counts two keys of one address once, by the newest; the other's end changes nothing", async () => {
    const { goZero } = await import("../../src/registry/layout/go-zero.ts");
    const { etcd, registry } = setUp({ layout: goZero() });
    etcd.put("a/1", '{"Addr":"10.0.0.1:80","Metadata":{"weight":1}}');
    etcd.put("a/2", '{"Addr":"10.0.0.1:80","Metadata":{"weight":2}}');
    const consumer = consume(registry.resolver("a"));
    await settled();
    assert.deepEqual(consumer.seen.at(-1)?.endpoints?.map(({ weight }) => weight), [2]);
    etcd.remove("a/1");
    await settled();
    assert.deepEqual(consumer.now, ["10.0.0.1:80"]);
    etcd.remove("a/2");
    await settled();
    assert.deepEqual(consumer.now, []);
  });

  it("a server that registered again has another incarnation, also over its old key", async () => {
    const { etcd, consumer } = await withOne();
    const incarnation = () => consumer.seen.at(-1)?.endpoints?.[0]?.incarnation;
    const first = incarnation();
    etcd.put(key(1), address(1), 5n);
    await settled();
    const second = incarnation();
    assert.notEqual(first, second);
    etcd.put(key(1), address(1), 5n);
    await settled();
    assert.equal(incarnation(), second);
    etcd.remove(key(1));
    etcd.put(key(1), address(1), 5n);
    await settled();
    assert.notEqual(incarnation(), second);
  });

  it("shares one watch among all consumers of a service, and ends it with the last", async () => {
    const { etcd, clock, registry } = setUp();
    const consumers = [1, 2, 3].map(() => consume(registry.resolver("a")));
    await settled();
    assert.deepEqual([etcd.count("range"), etcd.count("watch")], [1, 1]);
    consumers[0]?.stop();
    consumers[1]?.stop();
    etcd.put(key(1), address(1));
    await settled();
    assert.deepEqual(consumers[2]?.now, [address(1)]);
    consumers[2]?.stop();
    await Promise.all(consumers.map(({ ended }) => ended));
    assert.deepEqual(clock.pending, []);
    const again = consume(registry.resolver("a"));
    await settled();
    assert.deepEqual(again.now, [address(1)]);
    assert.equal(etcd.count("watch"), 2);
  });

  it("list reads the set once; it tries each endpoint and then rejects", async () => {
    const { etcd, clock, registry, types } = setUp({ endpoints: ["e1:1", "e2:1"] });
    etcd.put(key(1), address(1));
    etcd.put("/grpclb/a/bad", "bad");
    const list = () => registry.resolver("a").list!(new AbortController().signal);
    assert.deepEqual((await list()).endpoints?.map((endpoint) => endpoint.address), [address(1)]);
    etcd.fault = (call) => call.endpoint === etcd.calls[0]?.endpoint ? down : undefined;
    await list();
    assert.deepEqual(types(), ["value-skipped"]);
    etcd.fault = () => down;
    await assert.rejects(list(), /connection refused/);
    assert.equal(etcd.calls.length, 5);
    assert.deepEqual(clock.pending, []);
  });

  it("B3: renews its token when a watch is refused in-band", async () => {
    const { etcd, clock, registry, types } = setUp({ username: "u", password: "secret" });
    etcd.password = "secret";
    etcd.put(key(1), address(1));
    const consumer = consume(registry.resolver("a"));
    await settled();
    etcd.token = "token-2";
    etcd.stream.fail();
    await clock.advance(1_000);
    assert.equal(consumer.stale, undefined);
    assert.equal(etcd.count("authenticate"), 2);
    assert.equal(etcd.count("range"), 1);
    assert.ok(!types().includes("auth-refused"));
  });

  it("B3: reports a missing permission, and tries again every 30 s", async () => {
    const { etcd, clock, consumer, events } = await withOne();
    etcd.stream.send({ header: etcd.header, canceled: true, cancelReason: "etcdserver: permission denied" });
    await clock.advance(29_000);
    assert.equal(etcd.count("watch"), 1);
    assert.match(consumer.stale ?? "", /permission denied/);
    assert.equal(events.filter(({ type }) => type === "auth-refused").length, 1);
    await clock.advance(1_000);
    assert.equal(consumer.stale, undefined);
  });

  it("B4: takes an error of any code for transient, and a stream's clean end too", async () => {
    const { etcd, clock, consumer } = await withOne();
    for (const text of ["canceled", "Premature close", "unknown", "resource exhausted", "not found"]) {
      etcd.stream.fail(new Error(text));
      await clock.advance(2_000);
      assert.equal(consumer.stale, undefined, text);
    }
    assert.equal(etcd.count("range"), 1);
  });

  it("B6: starts its backoff over only after 10 healthy seconds", async () => {
    const { etcd, clock, events } = await withOne();
    const cut = async (afterMs: number) => {
      await clock.advance(afterMs);
      etcd.stream.fail();
      await clock.advance(2_000);
    };
    for (const afterMs of [0, 1_000, 1_000, 1_000, 1_000, 1_000, 20_000]) await cut(afterMs);
    assert.deepEqual(
      events.flatMap((event) => event.type === "watch-restarted" ? [event.retryInMs] : []),
      [50, 100, 200, 400, 800, 1_000, 50],
    );
  });

  it("closing the registry leaves consumers the last set as stale, then ends", async () => {
    const { etcd, clock, registry, consumer } = await withOne();
    const registration = registry.register({ service: "b", address: "10.0.0.5:80" });
    await settled();
    await Promise.all([registry.close(), registry.close()]);
    await consumer.ended;
    assert.deepEqual(consumer.now, [address(1)]);
    assert.match(consumer.stale ?? "", /registry was closed/);
    assert.equal(registration.state, "closed");
    assert.equal(etcd.leases.size, 0);
    assert.equal(etcd.closed, 1);
    assert.deepEqual(clock.pending, []);
    assert.throws(() => registry.register({ service: "b", address: "10.0.0.5:80" }), /closed/);
    await assert.rejects(consume(registry.resolver("a")).ended, /closed/);
  });
});

describe("the operations of a registry", () => {
  type Create = (createDriver: () => EtcdDriver, options: EtcdRegistryOptions) => Registry;
  const ways: readonly [how: string, create: Create, clients: number, closedBefore: number][] = [
    ["share a client", createRegistryOver, 1, 0],
    ["have a client each, closed when they end", (...given) => createRegistryOver(...given, { aloneOnce: true }), 2, 2],
    [
      "have a client each in a registry for requests",
      (createDriver, options) => new RequestRegistry({ createDriver }, options),
      2,
      2,
    ],
  ];
  for (const [how, create, clients, closedBefore] of ways) {
    it(`${how}, and are refused once the registry is closed`, async () => {
      const { etcd, clock } = setUp();
      let created = 0;
      const registry = create(() => (created++, etcd), { endpoints: ["e1:1"], clock });
      etcd.put(key(1), address(1));
      const list = async () => await registry.resolver("a").list!(new AbortController().signal);
      assert.equal((await list()).endpoints?.length, 1);
      etcd.fault = () => down;
      await assert.rejects(list(), /connection refused/);
      assert.deepEqual([created, etcd.closed], [clients, closedBefore]);
      const { length } = etcd.calls;
      await registry.close();
      await assert.rejects(list(), /the registry is closed/);
      assert.deepEqual([etcd.calls.length, created], [length, clients]);
    });
  }

  it('with the lifetime "request" wait for no other\'s authentication', async () => {
    for (const [aloneOnce, authentications] of [[true, 2], [false, 1]] as const) {
      const { etcd, clock } = setUp();
      etcd.password = "secret";
      etcd.fault = ({ method }) => method === "authenticate" && etcd.count("authenticate") === 1 ? "hang" : undefined;
      const user = { endpoints: [`alone-${aloneOnce}:1`], clock, username: "u", password: "secret" };
      const registries = [1, 2].map(() => createRegistryOver(() => etcd, user, { aloneOnce }));
      const stop = new AbortController();
      const lists = registries.map((registry) => registry.resolver("a").list!(stop.signal).catch(() => {}));
      await settled();
      assert.deepEqual([aloneOnce, etcd.count("authenticate")], [aloneOnce, authentications]);
      stop.abort();
      await Promise.all(lists);
      await Promise.all(registries.map((registry) => registry.close()));
    }
  });

  it("spell keys with the prefix that is given", async () => {
    const { etcd, registry } = setUp({ prefix: "/wonamingv3" });
    await registry.register({ service: "a", address: address(1) }).ready;
    assert.deepEqual([...etcd.keys.keys()], ["/wonamingv3/a/10.0.0.1:80"]);
    await registry[Symbol.asyncDispose]();
    assert.deepEqual([etcd.keys.size, etcd.closed], [0, 1]);
  });
});
