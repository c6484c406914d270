// What is the in-memory etcd's own, beside the contract that it shares with a real one.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { KV, Lease, Maintenance } from "../../gen/etcd/rpc_pb.ts";
import { createMemoryEtcd } from "../../src/testing.ts";
import { MAX_DELAY_MS } from "../../src/time/clock.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { all, bytes, subject, text } from "./contract/subject.ts";

describe("the etcd in memory", () => {
  it("lets a lease expire when the clock says so, and not before", async () => {
    const clock = new ManualClock();
    const etcd = createMemoryEtcd({ clock });
    const { kv, lease } = subject(etcd.transport());
    const { ID } = await lease.leaseGrant({ TTL: 10n });
    await kv.put({ key: bytes("a"), lease: ID });
    await clock.advance(9_999);
    assert.equal((await lease.leaseTimeToLive({ ID })).TTL, 0n);
    assert.equal((await kv.range({ key: bytes("a") })).count, 1n);
    await clock.advance(1);
    assert.equal((await lease.leaseTimeToLive({ ID })).TTL, -1n);
    assert.equal((await kv.range({ key: bytes("a") })).count, 0n);
  });

  it("restarts the TTL with each keepalive", async () => {
    const clock = new ManualClock();
    const { lease, keepAlive } = subject(createMemoryEtcd({ clock }).transport());
    const { ID } = await lease.leaseGrant({ TTL: 10n });
    for (let i = 0; i < 5; i++) {
      await clock.advance(9_000);
      assert.equal((await keepAlive(ID)).TTL, 10n);
    }
    await clock.advance(10_000);
    assert.equal((await keepAlive(ID)).TTL, 0n);
  });

  it("keeps a lease whose TTL is longer than a timer takes", async () => {
    const clock = new ManualClock();
    const clamped = {
      now: () => clock.now(),
      timer: (ms: number, fire: () => void) => clock.timer(Math.min(ms, MAX_DELAY_MS), fire),
    };
    const { lease } = subject(createMemoryEtcd({ clock: clamped }).transport());
    const { ID } = await lease.leaseGrant({ TTL: 3_000_000n });
    await clock.advance(2 ** 31);
    assert.equal((await lease.leaseTimeToLive({ ID })).grantedTTL, 3_000_000n);
    await clock.advance(3_000_000_000);
    assert.equal((await lease.leaseTimeToLive({ ID })).TTL, -1n);
  });

  it("notifies a quiet watch of progress every ten minutes, and not one that had an event meanwhile", async () => {
    const clock = new ManualClock();
    const { kv, watch } = subject(createMemoryEtcd({ clock }).transport());
    const stream = watch();
    stream.create({ ...all("svc/"), progressNotify: true });
    await stream.next();
    const { header } = await kv.put({ key: bytes("other") });
    await clock.advance(600_000);
    const progress = await stream.next();
    assert.deepEqual([progress.watchId, progress.events.length, progress.header?.revision], [0n, 0, header?.revision]);
    await kv.put({ key: bytes("svc/a") });
    assert.equal((await stream.next()).events.length, 1);
    await clock.advance(600_000);
    await kv.put({ key: bytes("svc/b") });
    assert.equal((await stream.next()).events.length, 1);
  });

  it("keeps as many revisions as asked, compacts older ones by itself, and the present ones stay", async () => {
    const { kv, watch } = subject(createMemoryEtcd({ keepRevisions: 10 }).transport());
    await kv.put({ key: bytes("first") });
    let revision = 0n;
    for (let i = 0; i < 100; i++) revision = (await kv.put({ key: bytes("a") })).header?.revision as bigint;
    assert.equal((await kv.range({ key: bytes("a"), revision: revision - 9n })).count, 1n);
    await assert.rejects(kv.range({ key: bytes("a"), revision: revision - 30n }), /has been compacted/);
    assert.equal((await kv.range({ key: bytes("first") })).count, 1n);
    const stream = watch();
    stream.create({ ...all("a"), startRevision: revision - 30n });
    await stream.next();
    assert.ok((await stream.next()).compactRevision > revision - 30n);
  });

  it("reports to a watch that reads too slowly that its past is compacted, instead of keeping it", async () => {
    const etcd = createMemoryEtcd({ keepRevisions: 10 });
    const { kv, watch } = subject(etcd.transport());
    const stream = watch();
    stream.create(all("a"));
    await stream.next();
    for (let i = 0; i < 100; i++) await kv.put({ key: bytes("a"), value: bytes(String(i)) });
    const last = await eventually("the watch is canceled", async () => {
      const response = await stream.next();
      return response.canceled ? response : undefined;
    });
    assert.ok(last.compactRevision > 0n);
  });

  it("a watch with a long past leaves room for the others of its stream", async () => {
    const { kv, watch } = subject(createMemoryEtcd().transport());
    for (let i = 0; i < 3_500; i++) await kv.put({ key: bytes(`long/${i}`) });
    await kv.put({ key: bytes("short/") });
    const stream = watch();
    stream.create({ ...all("long/"), startRevision: 2n, watchId: 1n });
    stream.create({ ...all("short/"), startRevision: 2n, watchId: 2n });
    // Nothing is made before it is taken: by then both are created.
    await settled();
    const told = (await stream.events(3_501)).filter(({ events }) => events.length > 0);
    assert.deepEqual(told.map(({ watchId }) => watchId), [1n, 2n, 1n, 1n, 1n]);
  });

  it("hands out copies: what a caller does to a message does not reach the store", async () => {
    const { kv } = subject(createMemoryEtcd().transport());
    const value = bytes("before");
    await kv.put({ key: bytes("a"), value });
    value.fill(0);
    (await kv.range({ key: bytes("a") })).kvs[0]?.value.fill(0);
    assert.equal(text((await kv.range({ key: bytes("a") })).kvs[0]?.value ?? value), "before");
  });

  it("is another cluster each time, with a lower revision", async () => {
    const ids = await Promise.all([1, 2].map(async () => {
      const { header } = await createClient(Maintenance, createMemoryEtcd().transport()).status({});
      assert.equal(header?.revision, 1n);
      return header?.clusterId;
    }));
    assert.notEqual(ids[0], ids[1]);
  });

  it("ends its watches when it is closed, and refuses calls after that", async () => {
    const etcd = createMemoryEtcd();
    const transport = etcd.transport();
    const { watch } = subject(transport);
    const stream = watch();
    stream.create(all("a"));
    await stream.next();
    const ended = stream.next();
    await etcd.close();
    await etcd.close();
    const stopped = (error: unknown) => {
      assert.equal(ConnectError.from(error).code, Code.Unavailable);
      assert.match(String(error), /server stopped/);
      return true;
    };
    await assert.rejects(ended, stopped);
    await assert.rejects(createClient(KV, transport).range({ key: bytes("a") }), stopped);
    await assert.rejects(createClient(Lease, transport).leaseGrant({ TTL: 5n }), stopped);
  });

  it("refuses an invalid number of revisions to keep", () => {
    for (const keepRevisions of [0, -1, 1.5, NaN, Infinity]) {
      assert.throws(
        () => createMemoryEtcd({ keepRevisions }),
        new RegExp(`RangeError: option keepRevisions is ${keepRevisions}`),
      );
    }
  });
});
