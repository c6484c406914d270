// When one service's set is listed, delivered and forgotten, on a scripted etcd and a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settled } from "../support/manual-clock.ts";
import { consume, setUp } from "./scripted.ts";

const KEY = "/grpclb/a/10.0.0.1:80", ADDRESS = "10.0.0.1:80";
const down = new Error("connection refused");

describe("the watch of a service", () => {
  it("delivers a set without a sign of staleness while it is fresh", async () => {
    const { registry } = setUp();
    const { seen } = consume(registry.resolver("a"));
    await settled();
    assert.deepEqual(seen, [{ endpoints: [] }]);
  });

  it("delivers what is listed before the watch is created, also after an outage", async () => {
    const first = setUp();
    first.etcd.put(KEY, ADDRESS);
    first.etcd.fault = ({ method }) => method === "watch" ? "hang" : undefined;
    const early = consume(first.registry.resolver("a"));
    await settled();
    assert.deepEqual([first.etcd.count("watch"), early.now, first.types()], [1, [ADDRESS], []]);
    const { etcd, clock, registry, types } = setUp();
    etcd.put(KEY, ADDRESS);
    etcd.fault = () => down;
    const consumer = consume(registry.resolver("a"));
    await settled();
    assert.deepEqual([consumer.now, consumer.stale], [undefined, "etcd at e1:1: connection refused"]);
    etcd.fault = ({ method }) => method === "watch" ? "hang" : undefined;
    await clock.advance(50);
    assert.deepEqual([etcd.count("watch"), consumer.now, consumer.stale], [1, [ADDRESS], undefined]);
    assert.deepEqual(types(), ["set-stale", "watch-restarted", "set-fresh"]);
  });

  it("is listed again once between 1 and 5 s after a cut, and every 30 to 60 s behind a proxy", async () => {
    const { etcd, clock, registry } = setUp({ random: () => 0.5 });
    consume(registry.resolver("a"));
    await settled();
    assert.deepEqual(clock.pending, [2_500]);
    etcd.stream.fail();
    await clock.advance(50);
    assert.deepEqual([etcd.count("watch"), clock.pending], [2, [2_500, 3_000]]);
    await clock.advance(3_000);
    assert.deepEqual([etcd.count("range"), etcd.count("watch"), clock.pending], [2, 3, [2_500]]);
    etcd.takesIds = false;
    etcd.stream.send({ header: etcd.header, canceled: true });
    await clock.advance(100);
    for (let n = 0; n < 3; n++) {
      assert.equal(clock.pending.at(-1), 45_000);
      await clock.advance(45_000);
    }
  });

  it("ends with its last consumer, and says nothing of that", async () => {
    const { etcd, clock, registry, types } = setUp();
    const consumer = consume(registry.resolver("a"));
    await settled();
    consumer.stop();
    await consumer.ended;
    await settled();
    assert.deepEqual([types(), clock.pending, etcd.stream.signal.aborted], [[], [], true]);
  });

  it("ends when the registry is closed, also for a consumer that has stopped reading", async () => {
    const { etcd, clock, registry } = setUp();
    const iterator = registry.resolver("a").resolve(new AbortController().signal)[Symbol.asyncIterator]();
    await iterator.next();
    await settled();
    await registry.close();
    assert.deepEqual([etcd.stream.signal.aborted, clock.pending], [true, []]);
  });

  it("says nothing after its set is stale because the registry is closed, whatever etcd is answering", async () => {
    for (let turns = 0; turns < 40; turns++) {
      const { etcd, registry, types } = setUp();
      etcd.put("/grpclb/a/bad", "host:99999");
      etcd.put(KEY, ADDRESS);
      const consumer = consume(registry.resolver("a"));
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const closed = registry.close();
      await Promise.all([closed, consumer.ended]);
      await settled();
      assert.equal(types().at(-1), "set-stale", `${turns}: ${types()}`);
      assert.match(consumer.stale ?? "", /the registry was closed/);
    }
  });
});
