// Watches of a driver whose streams can't be asked for their progress, on a scripted etcd and a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EtcdClient } from "../../src/etcd/client/client.ts";
import { EndpointProbes, type Probed } from "../../src/etcd/watch/endpoint-probes.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { FakeEtcd } from "./fake-etcd.ts";
import { consume, type Consumer, type SetUp, setUp } from "./scripted.ts";

const PROBE_MS = 2_500;
const key = (n: number) => `/grpclb/a/10.0.0.${n}:80`;

/** Three services, watched by streams of one watch each that live for 50 s. */
async function watched(endpoints: readonly string[]): Promise<SetUp & { readonly consumers: readonly Consumer[] }> {
  const all = setUp({ endpoints, random: () => 0 });
  Object.assign(all.etcd.capabilities, { progress: false, watchesPerStream: 1, maxStreamMs: 50_000 });
  const consumers = ["a", "b", "c"].map((service) => consume(all.registry.resolver(service)));
  await settled();
  assert.deepEqual([all.etcd.count("range"), all.etcd.count("watch"), all.etcd.streams.length], [3, 3, 3]);
  return { ...all, consumers };
}

describe("streams that can't be asked for their progress", () => {
  it("are probed by one read for all, and reopened where they were", async () => {
    const { etcd, clock, consumers, registry, types } = await watched(["e1:1"]);
    await clock.advance(4 * PROBE_MS);
    assert.deepEqual([etcd.count("range"), etcd.resets], [3 + 4, []]);
    await clock.advance(50_000 - 4 * PROBE_MS);
    assert.deepEqual([etcd.count("watch"), etcd.count("range"), etcd.resets, types()], [6, 3 + 20, [], []]);
    etcd.put(key(1), "10.0.0.1:80");
    await settled();
    assert.deepEqual(consumers[0]?.now, ["10.0.0.1:80"]);
    for (const { stop } of consumers) stop();
    await settled();
    const { length } = etcd.calls;
    await clock.advance(100_000);
    assert.deepEqual([etcd.calls.length, clock.pending], [length, []]);
    await registry.close();
  });

  for (const [what, fault] of [["does not answer", "hang"], ["fails", new Error("etcdserver: no leader")]] as const) {
    it(`are given up when the endpoint ${what}, and continue on another`, async () => {
      const { etcd, clock, consumers, registry, events } = await watched(["e1:1", "e2:1"]);
      etcd.fault = ({ endpoint }) => endpoint === "e1:1" ? fault : undefined;
      etcd.delivers = false;
      etcd.put(key(1), "10.0.0.1:80");
      // The scripted driver leaves it to the test to end the streams of a session that was reset.
      await clock.advance(PROBE_MS + 3_000);
      assert.ok(etcd.resets.includes("e1:1"), String(etcd.resets));
      for (const stream of [...etcd.streams]) stream.fail();
      etcd.delivers = true;
      await clock.advance(200);
      assert.deepEqual(consumers[0]?.now, ["10.0.0.1:80"]);
      assert.deepEqual(consumers.map(({ stale }) => stale), [undefined, undefined, undefined]);
      assert.ok(events.some(({ type }) => type === "watch-restarted"));
      await registry.close();
    });
  }

  it("are read anew when a probe shows another cluster, and left alone when it is refused", async () => {
    const { etcd, clock, consumers, registry } = await watched(["e1:1"]);
    etcd.fault = ({ method }) => method === "range" ? new Error("etcdserver: permission denied") : undefined;
    await clock.advance(PROBE_MS);
    assert.deepEqual([etcd.resets, etcd.count("watch")], [[], 3]);
    etcd.fault = () => undefined;
    etcd.clusterId = 8n;
    etcd.delivers = false;
    etcd.put(key(1), "10.0.0.1:80");
    await clock.advance(PROBE_MS);
    assert.deepEqual(consumers[0]?.now, ["10.0.0.1:80"]);
    await registry.close();
  });
});

describe("the probes of an endpoint", () => {
  function setUp() {
    const etcd = new FakeEtcd(), clock = new ManualClock();
    const endpoints = [{ address: "e1:1" }, { address: "e2:1" }];
    const client = new EtcdClient({ driver: etcd, endpoints, clock, random: () => 0.5 });
    const probes = new EndpointProbes(client);
    const heard: string[] = [];
    /** Adds a stream, with an open watch unless it is to have none. */
    const add = (name: string, { address = "e1:1", open = true } = {}) => {
      const key = open ? new TextEncoder().encode(name) : undefined;
      const stream: Probed = { endpoint: { address }, key, read: () => heard.push(name) };
      return probes.add(stream);
    };
    return { etcd, clock, heard, add };
  }

  it("continue for the streams that are left, and begin anew with the next one", async () => {
    const { etcd, clock, heard, add } = setUp();
    const [one, other] = [add("a"), add("b")];
    one();
    one();
    await clock.advance(PROBE_MS);
    assert.deepEqual([heard, etcd.count("range")], [["b"], 1]);
    other();
    assert.deepEqual(clock.pending, []);
    add("c");
    await clock.advance(PROBE_MS);
    assert.deepEqual([heard, etcd.count("range")], [["b", "c"], 2]);
  });

  it("are one for each endpoint", async () => {
    const { etcd, clock, heard, add } = setUp();
    add("a");
    add("b", { address: "e2:1" });
    await clock.advance(PROBE_MS);
    assert.deepEqual([heard, etcd.calls.map(({ endpoint }) => endpoint)], [["a", "b"], ["e1:1", "e2:1"]]);
  });

  it("are canceled with the last stream, and none follows", async () => {
    const { etcd, clock, heard, add } = setUp();
    let aborted = false;
    etcd.gate = (_, signal) => {
      signal.addEventListener("abort", () => (aborted = true));
      return new Promise(() => {});
    };
    const remove = add("a");
    await clock.advance(PROBE_MS);
    remove();
    await settled();
    assert.deepEqual([aborted, heard, clock.pending, etcd.resets], [true, [], [], []]);
  });

  it("read a key of an open watch, and nothing as long as none is open", async () => {
    const { etcd, clock, heard, add } = setUp();
    const closed = add("a", { open: false });
    await clock.advance(2 * PROBE_MS);
    assert.deepEqual([etcd.calls, heard], [[], []]);
    add("b");
    await clock.advance(PROBE_MS);
    assert.deepEqual([etcd.count("range"), heard], [1, ["a", "b"]]);
    closed();
  });
});
