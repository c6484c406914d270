// How a stream of watches is probed, on a scripted etcd.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EtcdClient } from "../../src/etcd/client/client.ts";
import type { WatchResponse } from "../../src/etcd/driver/driver.ts";
import { LifeSigns } from "../../src/etcd/watch/life-signs.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { FakeEtcd } from "./fake-etcd.ts";

const user = { name: "u", password: "secret" };

/** A stream with watches that start at these revisions. */
function setUp(...startRevisions: bigint[]) {
  const etcd = new FakeEtcd(), clock = new ManualClock(), endpoint = { address: "e1:1" };
  const client = new EtcdClient({ driver: etcd, endpoints: [endpoint], user, clock, random: () => 0.5 });
  const heard: (WatchResponse | undefined)[] = [], failures: string[] = [];
  let requested = 0;
  const signs = new LifeSigns({
    client,
    context: { endpoint, token: undefined, signal: new AbortController().signal },
    watches: () => startRevisions.map((startRevision) => ({ key: new Uint8Array([97]), startRevision })),
    requestProgress: () => requested++,
    heard: (progress) => heard.push(progress),
    failed: ({ message }) => failures.push(message),
  });
  /** Probes for the `times`th time, and says how many reads that cost. */
  const reads = async (times: number) => {
    const before = etcd.count("range");
    signs.ask(times);
    await settled();
    return etcd.count("range") - before;
  };
  return { etcd, startRevisions, signs, heard, failures, reads, requested: () => requested };
}
const header = (revision: bigint) => ({ clusterId: 7n, revision, raftTerm: 2n });

describe("the signs of life of a stream of watches", () => {
  it("are progress alone at first, and a read beside it while a watch has not begun", async () => {
    const { reads, requested } = setUp(1n, 9n);
    assert.deepEqual([await reads(1), await reads(2), await reads(3), requested()], [0, 1, 1, 3]);
  });

  it("are progress alone once all watches have begun, at the newest revision that was seen", async () => {
    const { signs, reads } = setUp(9n, 8n);
    signs.seen(header(8n));
    assert.equal(await reads(2), 1);
    signs.seen(header(9n));
    signs.seen(header(3n));
    assert.equal(await reads(2), 0);
  });

  it("are progress alone where etcd reports it although a watch has not begun", async () => {
    const early = setUp(9n), late = setUp(9n);
    early.signs.progress();
    assert.equal(await early.reads(2), 0);
    // Progress of watches that have begun says nothing of that.
    late.signs.seen(header(9n));
    late.signs.progress();
    late.startRevisions.push(20n);
    assert.equal(await late.reads(2), 1);
  });

  it("are, with the answer to a read, a progress of all watches at the store's revision", async () => {
    const { etcd, signs, heard, reads } = setUp(9n);
    etcd.revision = 9n;
    signs.read();
    await settled();
    assert.deepEqual(heard, [{
      header: header(9n),
      watchId: -1n,
      created: false,
      canceled: false,
      compactRevision: 0n,
      cancelReason: "",
      fragment: false,
      events: [],
    }]);
    assert.equal(await reads(2), 0, "the watch has begun by that revision");
  });

  it("are not looked for without a watch, as there is no key that may be read", async () => {
    const { etcd, signs, heard, failures } = setUp();
    signs.read();
    await settled();
    assert.deepEqual([etcd.calls, heard, failures], [[], [], []]);
  });

  it("are a refused read too, but not one that fails, nor one whose token etcd doesn't know", async () => {
    for (
      const [text, times, failed] of [
        ["etcdserver: permission denied", 1, []],
        ["connection refused", 0, []],
        ["etcdserver: invalid auth token", 0, ["etcd at e1:1: etcdserver: invalid auth token"]],
      ] as const
    ) {
      const { etcd, signs, heard, failures } = setUp(9n);
      etcd.fault = () => new Error(text);
      signs.read();
      await settled();
      assert.deepEqual([heard, failures], [Array.from({ length: times }, () => undefined), failed]);
    }
  });
});
