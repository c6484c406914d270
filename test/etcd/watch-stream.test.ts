// One stream of watches by itself: which of them a response concerns, and when the stream ends. On a scripted etcd and a
// clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EtcdClient } from "../../src/etcd/client/client.ts";
import type { WatchResponse } from "../../src/etcd/driver/driver.ts";
import { WatchStream } from "../../src/etcd/watch/watch-stream.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { FakeEtcd } from "./fake-etcd.ts";

const bytes = new TextEncoder();
const causeOf = (cause: unknown) => (cause as Error).message;

/** A watch on the stream, and what its watcher heard. */
interface Added {
  readonly heard: WatchResponse[];
  /** The causes of its end. */
  readonly ends: string[];
  leave(): void;
}

function setUp(prepare: (etcd: FakeEtcd) => void = () => {}) {
  const etcd = new FakeEtcd(), clock = new ManualClock(), endpoint = { address: "e1:1" };
  prepare(etcd);
  const client = new EtcdClient({ driver: etcd, endpoints: [endpoint], clock, random: () => 0.5 });
  let closed = 0;
  const stream = new WatchStream(client, endpoint, undefined, () => closed++);
  /** Adds a watch on the keys of a service. `onHeard` runs within the watcher's callback. */
  const add = (service: string, onHeard: (response: WatchResponse) => void = () => {}): Added => {
    const heard: WatchResponse[] = [], ends: string[] = [];
    const leave = stream.add({
      request: {
        key: bytes.encode(`/${service}/`),
        rangeEnd: bytes.encode(`/${service}0`),
        startRevision: etcd.revision + 1n,
      },
      onResponse(response) {
        heard.push(response);
        onHeard(response);
      },
      onEnd: (cause) => ends.push(causeOf(cause)),
    });
    return { heard, ends, leave };
  };
  return { etcd, clock, stream, add, closed: () => closed };
}

/** Lets requested watches wait for answers that the test sends. */
const unanswered = (etcd: FakeEtcd) => (etcd.fault = ({ method }) => method === "watch" ? "hang" : undefined);
const aProxy = (etcd: FakeEtcd) => (etcd.takesIds = false);

/** Answers a requested watch. */
async function created({ etcd }: { etcd: FakeEtcd }, watchId: bigint) {
  const request = etcd.stream.requests.find((request) => request.watchId === watchId);
  assert.ok(request !== undefined);
  etcd.stream.watches.set(watchId, request);
  etcd.stream.send({ header: etcd.header, watchId, created: true });
  await settled();
}

describe("a stream of watches", () => {
  it("is not probed where the driver's streams can't be asked for their progress", async () => {
    const { etcd, clock, add, closed } = setUp((etcd) => (etcd.capabilities.progress = false));
    const one = add("a");
    await clock.advance(60_000);
    assert.deepEqual([etcd.stream.asked, one.ends, closed()], [0, [], 0]);
  });

  it("takes no read for a sign of life once an event shows that its watches have begun", async () => {
    const { etcd, clock, add } = setUp((etcd) => (etcd.answersEarly = false));
    const one = add("a");
    await settled();
    etcd.put("/a/1", "1");
    await settled();
    etcd.answersProgress = false;
    await clock.advance(7_500);
    assert.equal(etcd.count("range"), 0);
    assert.match(one.ends.join(), /reported no progress/);
  });

  it("gives the events of the watch with the id 0 to it alone", async () => {
    const { etcd, add } = setUp(aProxy);
    const one = add("a"), other = add("b");
    await settled();
    assert.deepEqual([...etcd.stream.watches.keys()], [0n, 1n]);
    etcd.put("/a/1", "1");
    await settled();
    assert.deepEqual([one.heard.length, other.heard.length], [2, 1]);
  });

  it("cancels a watch by the id that the server gave it", async () => {
    const { etcd, stream, add, closed } = setUp(aProxy);
    const one = add("a"), other = add("b");
    await settled();
    one.leave();
    await settled();
    assert.deepEqual([[...etcd.stream.watches.keys()], stream.size, closed()], [[1n], 1, 0]);
    etcd.put("/b/1", "1");
    await settled();
    assert.deepEqual([one.heard.length, other.heard.length, other.ends], [1, 2, []]);
  });

  it("ignores the answer to a watch that it did not request, and what concerns one that it doesn't have", async () => {
    const { etcd, add, closed } = setUp();
    const one = add("a");
    await settled();
    etcd.stream.send({ header: etcd.header, watchId: 9n, created: true });
    etcd.stream.send({ header: etcd.header, watchId: 9n, events: [] });
    etcd.stream.send({ header: etcd.header, watchId: 9n, canceled: true });
    etcd.put("/a/1", "1");
    await settled();
    assert.deepEqual([one.heard.length, one.ends, closed()], [2, [], 0]);
  });

  it("ends for all watches, with the cause, when a cancellation has no watch id", async () => {
    const { etcd, stream, add, closed } = setUp();
    const both = [add("a"), add("b")];
    await settled();
    etcd.stream.send({ header: etcd.header, watchId: -1n, canceled: true, cancelReason: "etcdserver: no leader" });
    await settled();
    for (const { ends } of both) assert.match(ends.join(), /no leader/);
    assert.deepEqual([stream.size, closed(), etcd.stream.signal.aborted], [0, 1, true]);
  });

  it("says nothing more to a watcher that leaves in the callback of another", async () => {
    const { etcd, add } = setUp();
    let leaveOther = () => {};
    const one = add("a", ({ watchId }) => watchId < 0n && leaveOther());
    const other = add("b");
    leaveOther = other.leave;
    await settled();
    etcd.stream.send({ header: etcd.header, watchId: -1n });
    await settled();
    assert.deepEqual([one.heard.length, other.heard.length, other.ends], [2, 1, []]);
  });

  it("says nothing of its end to a watcher that left before its watch was created", async () => {
    const { etcd, stream, add, closed } = setUp();
    const one = add("a");
    await settled();
    unanswered(etcd);
    const late = add("b");
    late.leave();
    etcd.stream.fail();
    await settled();
    assert.deepEqual([one.ends, late.ends], [["the connection was cut"], []]);
    assert.deepEqual([stream.size, closed()], [0, 1]);
  });

  it("has no watches any more once it is closed, also none that were never answered", async () => {
    const { stream, add, closed } = setUp(unanswered);
    const one = add("a");
    one.leave();
    assert.deepEqual([stream.size, closed()], [0, 1]);
    await settled();
    assert.deepEqual([one.heard, one.ends], [[], []]);
  });

  it("never requests a watch that was left while it waited, and requests the others", async () => {
    const all = setUp(unanswered);
    const { etcd, add } = all;
    const [first, second, third] = [add("a"), add("b"), add("c")];
    assert.equal(etcd.stream.requests.length, 1);
    second?.leave();
    await created(all, 1n);
    await created(all, 2n);
    const keys = etcd.stream.requests.map(({ key }) => new TextDecoder().decode(key));
    assert.deepEqual(keys, ["/a/", "/c/"]);
    assert.deepEqual([first, second, third].map((added) => added?.heard.length), [1, 0, 1]);
  });

  it("drops a watch at once, before the server confirms it, and is closed with the last", async () => {
    const { etcd, stream, add, closed } = setUp();
    const one = add("a"), other = add("b");
    await settled();
    one.leave();
    assert.deepEqual([stream.size, closed()], [1, 0]);
    other.leave();
    other.leave();
    assert.deepEqual([stream.size, closed(), etcd.stream.signal.aborted], [0, 1, true]);
  });

  it("stays open for a watch that still waits when the one before it is left unanswered", async () => {
    const all = setUp(unanswered);
    const { etcd, stream, add, closed } = all;
    const first = add("a"), second = add("b");
    await settled();
    first.leave();
    assert.deepEqual([closed(), stream.size], [0, 2]);
    await created(all, 1n);
    await created(all, 2n);
    assert.deepEqual([first.heard.length, second.heard.length, second.ends], [0, 1, []]);
    assert.deepEqual([...etcd.stream.watches.keys()], [2n]);
  });

  it("ends for all watches, requested or not, when the server ends it, and says so", async () => {
    const all = setUp(unanswered);
    const { etcd, stream, add, closed } = all;
    const added = [add("a"), add("b"), add("c")];
    await created(all, 1n);
    add("d").leave();
    etcd.stream.end();
    await settled();
    assert.deepEqual(added.map(({ ends }) => ends), added.map(() => ["etcd at e1:1 ended the watch"]));
    assert.deepEqual([stream.size, closed(), etcd.stream.signal.aborted], [0, 1, true]);
    for (const { leave } of added) leave();
    assert.deepEqual([etcd.stream.canceled, closed()], [[], 1]);
  });

  it("fails for all watches, also those that wait for the first one's answer", async () => {
    const { etcd, stream, add, closed } = setUp(unanswered);
    const added = [add("a"), add("b"), add("c")];
    etcd.stream.fail();
    await settled();
    assert.equal(etcd.stream.requests.length, 1);
    assert.deepEqual(added.map(({ ends }) => ends), added.map(() => ["the connection was cut"]));
    assert.deepEqual([stream.size, closed()], [0, 1]);
  });

  it("takes the ids of a server that refused its first watch for its own all the same", async () => {
    const { stream, add } = setUp((etcd) => (etcd.denied = "/a/"));
    const [denied, ...others] = ["a", "b", "c"].map((service) => add(service));
    await settled();
    assert.match(denied!.ends.join(), /permission denied/);
    assert.deepEqual([stream.direct, others.map(({ heard }) => heard.length)], [true, [1, 1]]);
  });

  it("is closed when its only watch is refused, or canceled", async () => {
    const refused = setUp((etcd) => (etcd.denied = "/a/"));
    const one = refused.add("a");
    await settled();
    assert.match(one.ends.join(), /permission denied/);
    const canceled = setUp();
    const other = canceled.add("a");
    await settled();
    canceled.etcd.stream.send({ header: canceled.etcd.header, canceled: true });
    await settled();
    assert.match(other.ends.join(), /canceled the watch/);
    for (const { stream, closed, clock } of [refused, canceled]) {
      assert.deepEqual([stream.size, closed(), clock.pending], [0, 1, []]);
    }
  });

  it("cancels what the server canceled, once, and nothing that was never created", async () => {
    const all = setUp();
    const { etcd, stream, add } = all;
    const one = add("a"), other = add("b");
    await settled();
    etcd.stream.send({ header: etcd.header, watchId: 1n, canceled: true, compactRevision: 1n });
    await settled();
    assert.match(one.ends.join(), /compacted/);
    one.leave();
    assert.deepEqual([etcd.stream.canceled, stream.size, other.ends], [[1n], 1, []]);
    unanswered(etcd);
    const refused = add("c");
    refused.leave();
    assert.deepEqual(etcd.stream.canceled, [1n]);
    const cancelReason = "etcdserver: permission denied";
    etcd.stream.send({ header: etcd.header, watchId: -1n, created: true, canceled: true, cancelReason });
    await settled();
    assert.deepEqual([etcd.stream.canceled, stream.size], [[1n], 1]);
  });

  it("ends the watch whose watcher throws, with what it threw, and no other", async () => {
    const { etcd, stream, add } = setUp();
    const one = add("a", ({ events }) => assert.equal(events.length, 0, "an event"));
    const other = add("b");
    await settled();
    etcd.put("/a/1", "1");
    etcd.put("/b/1", "1");
    await settled();
    assert.match(one.ends.join(), /^an event/);
    assert.deepEqual([etcd.stream.canceled, stream.size, other.heard.length, other.ends], [[1n], 1, 2, []]);
  });

  it("is closed once when its only watcher leaves as soon as its watch is created", async () => {
    let leave = () => {};
    const { add, closed } = setUp();
    ({ leave } = add("a", () => leave()));
    await settled();
    assert.equal(closed(), 1);
  });

  it("is alive when a read is refused, and its watchers hear nothing of that", async () => {
    const { etcd, clock, add } = setUp(aProxy);
    const one = add("a");
    etcd.fault = ({ method }) => method === "range" ? new Error("etcdserver: permission denied") : undefined;
    await clock.advance(25_000);
    assert.deepEqual([etcd.count("range"), one.heard.length, one.ends], [10, 1, []]);
  });

  it("requests all that are added at once if the server takes its ids, else one after the other", async () => {
    for (const [prepare, requested] of [[() => {}, 1 + 3], [aProxy, 1 + 1]] as const) {
      const { etcd, add } = setUp(prepare);
      add("a");
      await settled();
      unanswered(etcd);
      for (const service of ["b", "c", "d"]) add(service);
      await settled();
      assert.equal(etcd.stream.requests.length, requested);
    }
  });
});
