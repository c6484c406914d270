// Many watches on one stream, on a scripted etcd and a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Endpoint } from "../../src/endpoint.ts";
import { EtcdClient } from "../../src/etcd/client/client.ts";
import { WatchStreams } from "../../src/etcd/watch/watch-streams.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { FakeEtcd } from "./fake-etcd.ts";
import { consume, type Consumer, type SetUp, setUp } from "./scripted.ts";

const key = (service: string, n: number) => `/grpclb/${service}/10.0.0.${n}:80`;
const address = (n: number) => `10.0.0.${n}:80`;
const names = (count: number) => Array.from({ length: count }, (_, i) => `service${i}`);

interface Watched extends SetUp {
  readonly services: readonly string[];
  readonly consumers: readonly Consumer[];
  /** Puts server `n` of each service, and fails unless each consumer sees the one of its service. */
  allSee(n: number): Promise<void>;
}

/** A registry with a consumer of each of some services. */
async function watched(count: number, prepare: (all: SetUp) => void = () => {}, options = {}): Promise<Watched> {
  const all = setUp(options);
  prepare(all);
  const services = names(count);
  const consumers = services.map((service) => consume(all.registry.resolver(service)));
  // A proxy's watches are created one by one, each some turns after the other.
  for (let turn = 0; turn < count; turn++) await settled();
  return {
    ...all,
    services,
    consumers,
    async allSee(n) {
      for (const service of services) all.etcd.put(key(service, n), address(n));
      await settled();
      assert.deepEqual(consumers.map(({ now }) => now?.includes(address(n))), services.map(() => true));
    },
  };
}

const aProxy = ({ etcd }: SetUp) => {
  etcd.takesIds = false;
  etcd.answersProgress = false;
};

describe("the watches of a registry", () => {
  it("share one stream: the first goes ahead, the others follow at once, and each hears of its own", async () => {
    const { etcd, consumers, allSee, types } = await watched(50);
    assert.equal(etcd.streams.length, 1);
    assert.deepEqual([...etcd.stream.watches.keys()], Array.from({ length: 50 }, (_, i) => BigInt(i + 1)));
    await allSee(1);
    assert.deepEqual(consumers.map(({ now }) => now), consumers.map(() => [address(1)]));
    assert.deepEqual(types(), []);
  });

  it("wait for the first one's answer, and no longer: it shows whether the server accepts chosen ids", async () => {
    let held = true;
    const { etcd } = await watched(10, ({ etcd }) => {
      etcd.fault = (call) => call.method === "watch" && held ? "hang" : undefined;
    });
    assert.equal(etcd.stream.requests.length, 1);
    held = false;
    const [first] = etcd.stream.requests;
    etcd.stream.send({ header: etcd.header, watchId: first!.watchId, created: true });
    await settled();
    assert.equal(etcd.stream.requests.length, 10);
  });

  it("a compacted one lists again, and the others hear nothing of it", async () => {
    const { etcd, clock, events, allSee } = await watched(3);
    const [, second] = [...etcd.stream.watches.keys()];
    etcd.stream.watches.delete(second!);
    etcd.stream.send({ header: etcd.header, watchId: second!, canceled: true, compactRevision: 1n });
    await clock.advance(0);
    assert.deepEqual(events.map((event) => [event.type, "service" in event && event.service]), [
      ["watch-restarted", "service1"],
    ]);
    assert.deepEqual([etcd.streams.length, etcd.count("range"), etcd.count("watch")], [1, 4, 4]);
    await allSee(1);
  });

  it("one without permission is tried again every 30 s, and the others hear nothing of it", async () => {
    const { etcd, clock, events, consumers } = await watched(3, ({ etcd }) => (etcd.denied = "/grpclb/service1/"));
    assert.deepEqual(consumers.map(({ stale }) => stale !== undefined), [false, true, false]);
    await clock.advance(59_000);
    assert.deepEqual(new Set(events.flatMap((event) => "service" in event ? [event.service] : [])).size, 1);
    assert.equal(events.filter(({ type }) => type === "auth-refused").length, 2);
    assert.equal(etcd.streams.length, 1);
    etcd.denied = undefined;
    await clock.advance(2_000);
    assert.deepEqual(consumers.map(({ stale }) => stale), [undefined, undefined, undefined]);
  });

  it("resume each from its own position when their stream breaks", async () => {
    const { etcd, clock, consumers, allSee } = await watched(3);
    etcd.put(key("service0", 1), address(1));
    etcd.put(key("service2", 1), address(1));
    await settled();
    etcd.delivers = false;
    etcd.put(key("service0", 2), address(2));
    etcd.delivers = true;
    etcd.stream.fail();
    await clock.advance(200);
    const from = etcd.streams.slice(1).flatMap(({ requests }) => requests);
    const byKey = from.map((request) => [new TextDecoder().decode(request.key), request.startRevision] as const);
    assert.deepEqual(
      new Map(byKey),
      new Map([["/grpclb/service0/", 3n], ["/grpclb/service1/", 2n], [
        "/grpclb/service2/",
        4n,
      ]]),
    );
    assert.deepEqual(consumers[0]?.now, [address(1), address(2)]);
    assert.equal(etcd.count("range"), 3);
    await allSee(3);
  });

  it("are canceled one by one as their consumers leave; the last one takes the stream with it", async () => {
    const { etcd, clock, consumers } = await watched(3);
    const ids = [...etcd.stream.watches.keys()];
    consumers[1]?.stop();
    await settled();
    assert.deepEqual([...etcd.stream.watches.keys()], [ids[0], ids[2]]);
    consumers[0]?.stop();
    consumers[2]?.stop();
    await settled();
    assert.equal(etcd.stream.signal.aborted, true);
    assert.deepEqual(clock.pending, []);
  });

  it("leave no timer behind that reopens them where streams may not live long, and have none elsewhere", async () => {
    for (const maxStreamMs of [50_000, undefined]) {
      const { etcd, clock, consumers } = await watched(2, ({ etcd }) => {
        Object.assign(etcd.capabilities, { progress: false, maxStreamMs });
      });
      const ages = clock.pending.filter((ms) => ms > 10_000);
      assert.deepEqual(ages, maxStreamMs === undefined ? [] : [maxStreamMs, maxStreamMs]);
      for (const { stop } of consumers) stop();
      await settled();
      assert.deepEqual([clock.pending, etcd.stream.signal.aborted], [[], true]);
    }
  });

  it("end with their consumer's own reason, and open no stream for one that has gone before", async () => {
    const etcd = new FakeEtcd(), clock = new ManualClock();
    const client = new EtcdClient({ driver: etcd, endpoints: [{ address: "e1:1" }], clock, random: () => 0.5 });
    const streams = new WatchStreams(client), cursor = client.cursor();
    const request = { key: new Uint8Array([1]), rangeEnd: new Uint8Array([2]), startRevision: 2n };
    const read = (signal: AbortSignal) =>
      streams.read(cursor, signal, { request, onOpen: () => Infinity, onResponse() {} });
    const gone = new Error("gone"), isGone = (error: unknown) => error === gone;
    await assert.rejects(read(AbortSignal.abort(gone)), isGone);
    assert.deepEqual(etcd.streams, []);
    const going = new AbortController();
    const reading = assert.rejects(read(going.signal), isGone);
    await settled();
    assert.equal(etcd.stream.watches.size, 1);
    going.abort(gone);
    await reading;
    assert.deepEqual([etcd.stream.signal.aborted, clock.pending], [true, []]);
  });

  it("are created where no backoff holds them up, and whose token is renewed if it is refused there", async () => {
    const etcd = new FakeEtcd(), clock = new ManualClock();
    etcd.password = "secret";
    const driver = Object.assign(etcd, { backoffMs: ({ address }: Endpoint) => address === "e1:1" ? 1_000 : 0 });
    const client = new EtcdClient({
      driver,
      endpoints: [{ address: "e1:1" }, { address: "e2:1" }],
      user: { name: "u", password: "secret" },
      clock,
      random: () => 0,
    });
    const cursor = client.cursor(), never = new AbortController().signal;
    const request = { key: new Uint8Array([1]), rangeEnd: new Uint8Array([2]), startRevision: 2n };
    await client.token(client.cursor(), never);
    // The endpoint was restarted, and no longer knows the token.
    etcd.token = "token-2";
    const reading = new WatchStreams(client).read(cursor, never, { request, onOpen: () => Infinity, onResponse() {} });
    await assert.rejects(reading, /invalid auth token/);
    assert.equal(await client.token(cursor, never), "token-2");
  });

  it("one that is left before it is created is canceled once it is", async () => {
    const { etcd, registry, consumers } = await watched(2);
    etcd.fault = (call) => call.method === "watch" ? "hang" : undefined;
    const late = consume(registry.resolver("late"));
    await settled();
    const { watchId } = etcd.stream.request;
    late.stop();
    await late.ended;
    etcd.stream.watches.set(watchId, etcd.stream.request);
    etcd.stream.send({ header: etcd.header, watchId, created: true });
    await settled();
    assert.equal(etcd.stream.watches.has(watchId), false);
    assert.deepEqual(consumers.map(({ stale }) => stale), [undefined, undefined]);
  });

  it("are asked for their progress together, and abandoned together when there is no answer", async () => {
    const { etcd, clock, consumers, allSee } = await watched(20, () => {}, { endpoints: ["e1:1", "e2:1"] });
    await clock.advance(25_000);
    assert.equal(etcd.stream.asked, 10);
    const dead = etcd.stream;
    etcd.answersProgress = false;
    await clock.advance(7_500);
    etcd.answersProgress = true;
    await clock.advance(200);
    assert.deepEqual(etcd.resets, [dead.endpoint]);
    assert.notEqual(etcd.stream.endpoint, dead.endpoint);
    assert.deepEqual([etcd.streams.length, etcd.stream.watches.size], [2, 20]);
    assert.deepEqual(consumers.filter(({ stale }) => stale !== undefined), []);
    await allSee(1);
  });

  it("one that is never created gives the stream up after 3 s, though it answers for the others", async () => {
    const { etcd, clock, registry, allSee } = await watched(2);
    etcd.fault = (call) => call.method === "watch" ? "hang" : undefined;
    const late = consume(registry.resolver("late"));
    await settled();
    etcd.fault = () => undefined;
    await clock.advance(3_100);
    assert.deepEqual(etcd.resets, ["e1:1"]);
    assert.deepEqual([late.stale, late.now], [undefined, []]);
    await allSee(1);
  });

  it("one that is never created gives the stream up after 3 s, though more and more are asked for", async () => {
    const { etcd, clock, registry } = setUp();
    etcd.fault = (call) => call.method === "watch" ? "hang" : undefined;
    for (let n = 0; n < 4; n++) {
      consume(registry.resolver(`service${n}`));
      await clock.advance(1_000);
    }
    assert.deepEqual(etcd.resets, ["e1:1"]);
    await registry.close();
  });

  it("one that is never created waits for events of others, but not forever", async () => {
    const { etcd, clock, registry } = await watched(2);
    etcd.fault = (call) => call.method === "watch" ? "hang" : undefined;
    consume(registry.resolver("late"));
    for (let n = 0; n < 30; n++) {
      await clock.advance(1_000);
      etcd.put(key("service0", n), address(n));
    }
    await settled();
    assert.deepEqual(etcd.resets, []);
    for (let n = 0; n < 3; n++) {
      etcd.put(key("service0", n), address(n));
      await clock.advance(1_000);
    }
    assert.deepEqual(etcd.resets, ["e1:1"]);
    await registry.close();
  });

  it("of a store that nobody writes to are alive, though etcd reports no progress before they begin", async () => {
    const { etcd, clock, allSee, types } = await watched(3, ({ etcd }) => (etcd.answersEarly = false));
    await clock.advance(25_000);
    assert.deepEqual([etcd.streams.length, etcd.resets, types()], [1, [], []]);
    assert.equal(etcd.count("range"), 3 + 5, "a small read tells");
    await allSee(1);
    await clock.advance(25_000);
    assert.deepEqual([etcd.streams.length, etcd.count("range"), types()], [1, 3 + 5, []]);
  });

  it("that have begun are abandoned when progress is not answered, though reads are", async () => {
    const { etcd, clock } = await watched(3, ({ etcd }) => (etcd.answersEarly = false));
    await clock.advance(5_000);
    etcd.answersProgress = false;
    etcd.delivers = false;
    etcd.put(key("another", 1), address(1));
    // The next read tells that they have begun.
    await clock.advance(12_400);
    assert.deepEqual(etcd.resets, []);
    await clock.advance(200);
    assert.deepEqual(etcd.resets, ["e1:1"]);
  });

  it("of a store that nobody writes to cost no reads where etcd reports their progress all the same", async () => {
    const { etcd, clock } = await watched(3);
    await clock.advance(25_000);
    assert.equal(etcd.count("range"), 3);
  });

  it("may take as long over a sign of life that is asked for early", async () => {
    const { etcd, clock, registry } = await watched(1, () => {}, { requestTimeoutMs: 8_000 });
    await clock.advance(7_900);
    etcd.answersProgress = false;
    registry.resolver("service0").refresh!();
    await clock.advance(7_900);
    assert.deepEqual([etcd.stream.asked, etcd.resets], [3, []]);
    await clock.advance(200);
    assert.deepEqual(etcd.resets, ["e1:1"]);
    await registry.close();
  });

  it("start over on another stream when the server gives two the same id", async () => {
    const { etcd, clock, registry, allSee } = await watched(2);
    etcd.fault = (call) => call.method === "watch" ? "hang" : undefined;
    const late = consume(registry.resolver("late"));
    await settled();
    etcd.fault = () => undefined;
    etcd.stream.send({ header: etcd.header, watchId: 1n, created: true });
    await clock.advance(1_000);
    assert.deepEqual([late.now, late.stale, etcd.stream.watches.size], [[], undefined, 3]);
    assert.deepEqual(etcd.streams.map(({ signal }) => signal.aborted), [true, false]);
    await allSee(1);
  });

  it("have a stream each where the driver's carry one", async () => {
    const { etcd, consumers, allSee } = await watched(5, ({ etcd }) => (etcd.capabilities.watchesPerStream = 1));
    assert.deepEqual(etcd.streams.map(({ watches }) => watches.size), [1, 1, 1, 1, 1]);
    await allSee(1);
    consumers[3]?.stop();
    await settled();
    assert.deepEqual(etcd.streams.map(({ signal }) => signal.aborted), [false, false, false, true, false]);
  });

  it("B3: go on a stream of their own with a new token, while those of the former one stay", async () => {
    const { etcd, clock, registry, allSee } = await watched(2, ({ etcd }) => (etcd.password = "secret"), {
      username: "u",
      password: "secret",
    });
    etcd.token = "token-2";
    const late = consume(registry.resolver("late"));
    await clock.advance(1_000);
    assert.deepEqual([late.stale, late.now], [undefined, []]);
    assert.deepEqual(etcd.streams.map(({ watches, signal }) => [watches.size, signal.aborted]), [[2, false], [
      1,
      false,
    ]]);
    await allSee(1);
  });
});

describe("watches through a proxy that chooses their ids", () => {
  it("are created one after the other, and each hears of its own", async () => {
    const { etcd, allSee, consumers, types } = await watched(20, aProxy);
    assert.deepEqual([...etcd.stream.watches.keys()], Array.from({ length: 20 }, (_, i) => BigInt(i)));
    await allSee(1);
    assert.deepEqual(consumers.map(({ now }) => now), consumers.map(() => [address(1)]));
    assert.deepEqual(types(), []);
  });

  it("are never asked for progress, which it does not know: a read shows that it is alive", async () => {
    const { etcd, clock, allSee, types } = await watched(3, aProxy);
    await clock.advance(25_000);
    assert.equal(etcd.stream.asked, 0);
    assert.equal(etcd.count("range"), 3 + 10);
    assert.deepEqual([etcd.streams.length, types()], [1, []]);
    await allSee(1);
  });

  it("are abandoned when a read is not answered", async () => {
    const { etcd, clock, types } = await watched(3, aProxy, { endpoints: ["e1:1", "e2:1"] });
    const dead = etcd.stream.endpoint;
    etcd.fault = (call) => call.method === "range" && call.endpoint === dead ? "hang" : undefined;
    await clock.advance(7_700);
    assert.deepEqual(etcd.resets, [dead]);
    assert.notEqual(etcd.stream.endpoint, dead);
    assert.equal(types().filter((type) => type === "set-fresh").length, 3);
  });

  it("B3: get a new token when a read is refused for theirs", async () => {
    const { etcd, clock, consumers } = await watched(3, (all) => {
      aProxy(all);
      all.etcd.password = "secret";
    }, { username: "u", password: "secret" });
    etcd.token = "token-2";
    await clock.advance(4_000);
    assert.equal(etcd.count("authenticate"), 2);
    assert.deepEqual(consumers.map(({ stale }) => stale), [undefined, undefined, undefined]);
  });

  it("are listed again within a minute: it may have lost one silently", async () => {
    const { etcd, clock, consumers, types } = await watched(2, aProxy);
    etcd.delivers = false;
    etcd.put(key("service0", 1), address(1));
    await clock.advance(60_000);
    assert.deepEqual(consumers.map(({ now }) => now), [[address(1)], []]);
    assert.deepEqual(types(), []);
  });

  it("are replaced by lists when they can't be created", async () => {
    const { etcd, clock, consumers, events } = await watched(2, aProxy);
    etcd.fault = (call) => call.method === "watch" ? "hang" : undefined;
    etcd.stream.fail();
    await clock.advance(10_000);
    etcd.put(key("service1", 1), address(1));
    await clock.advance(5_500);
    assert.deepEqual(consumers.map(({ now }) => now), [[], [address(1)]]);
    assert.ok(
      events.some((event) =>
        event.type === "watch-restarted" && /the watch was not created within/.test(event.cause.message)
      ),
    );
    etcd.fault = () => undefined;
    await clock.advance(6_000);
    assert.deepEqual(consumers.map(({ stale }) => stale), [undefined, undefined]);
  });

  it("D4: another cluster behind it: the next read shows it", async () => {
    const { etcd, clock, consumers } = await watched(2, aProxy);
    await clock.advance(100);
    etcd.clusterId = 8n;
    etcd.delivers = false;
    etcd.put(key("service1", 1), address(1));
    await clock.advance(2_500);
    assert.deepEqual(consumers.map(({ now }) => now), [[], [address(1)]]);
  });

  it("D4: a header without ids, of a watch that it joins to another, says nothing", async () => {
    const { etcd, clock, consumers, types } = await watched(1, ({ etcd }) => {
      etcd.takesIds = false;
      etcd.revision = 7n;
      etcd.createdUnder = { clusterId: 0n, revision: 8n, raftTerm: 0n };
    });
    assert.deepEqual([consumers[0]?.now, types()], [[], []]);
    // The next one comes from etcd itself, whose revision is still the list's.
    etcd.createdUnder = undefined;
    etcd.stream.fail();
    await clock.advance(200);
    assert.equal(etcd.count("watch"), 2);
    assert.equal(etcd.count("range"), 1);
    etcd.put(key("service0", 1), address(1));
    await settled();
    assert.deepEqual(consumers[0]?.now, [address(1)]);
  });
});
