import assert from "node:assert/strict";
import { Event_EventType } from "../../../gen/etcd/kv_pb.ts";
import { WatchCreateRequest_FilterType as Filter, type WatchResponse } from "../../../gen/etcd/rpc_pb.ts";
import { putOp } from "./op.ts";
import { all, bytes, nothing, type Statement, text } from "./subject.ts";

export const watchStatements: Statement[] = [
  {
    name: "a watch sees what comes after its creation, one response a revision, each under its own revision",
    async check({ kv, prefix, watch }) {
      await kv.put({ key: bytes(`${prefix}before`) });
      const stream = watch();
      stream.create(all(prefix));
      const created = await stream.next();
      assert.deepEqual([created.created, created.canceled, created.events.length], [true, false, 0]);
      const key = bytes(`${prefix}a`);
      const put = (await kv.put({ key, value: bytes("1") })).header?.revision as bigint;
      assert.ok((created.header?.revision as bigint) < put);
      const first = await stream.next();
      assert.deepEqual([first.watchId, first.header?.revision, first.events.length], [created.watchId, put, 1]);
      assert.equal(first.events[0]?.type, Event_EventType.PUT);
      assert.deepEqual([first.events[0]?.kv?.modRevision, first.events[0]?.kv?.version], [put, 1n]);
      assert.equal(text(first.events[0]?.kv?.value ?? nothing), "1");
      const { header } = await kv.txn({ success: [putOp(`${prefix}b`), putOp(`${prefix}c`)] });
      const second = await stream.next();
      assert.deepEqual([second.header?.revision, second.events.length], [header?.revision, 2]);
    },
  },
  {
    name: "a DELETE event has the key and the revision of the deletion, and no value",
    async check({ kv, prefix, watch }) {
      const key = bytes(`${prefix}a`);
      await kv.put({ key, value: bytes("1") });
      const stream = watch();
      stream.create(all(prefix));
      await stream.next();
      const { header } = await kv.deleteRange({ key });
      const { events: [event] } = await stream.next();
      assert.equal(event?.type, Event_EventType.DELETE);
      assert.equal(text(event?.kv?.key ?? nothing), `${prefix}a`);
      assert.deepEqual([event?.kv?.value.length, event?.kv?.modRevision], [0, header?.revision]);
      assert.deepEqual([event?.kv?.createRevision, event?.kv?.version, event?.kv?.lease], [0n, 0n, 0n]);
      assert.equal(event?.prevKv, undefined);
    },
  },
  {
    name: "a watch with a start revision in the past catches up from it, in order, and goes on",
    async check({ kv, prefix, watch }) {
      await kv.put({ key: bytes(`${prefix}a`), value: bytes("0") });
      const from = (await kv.put({ key: bytes(`${prefix}a`), value: bytes("1") })).header?.revision as bigint;
      await kv.put({ key: bytes(`${prefix}b`), value: bytes("2") });
      await kv.deleteRange({ key: bytes(`${prefix}a`) });
      const stream = watch();
      stream.create({ ...all(prefix), startRevision: from });
      assert.equal((await stream.next()).created, true);
      const past = (await stream.events(3)).flatMap((r) => r.events);
      assert.deepEqual(past.map((e) => [e.type, text(e.kv?.value ?? nothing)]), [
        [Event_EventType.PUT, "1"],
        [Event_EventType.PUT, "2"],
        [Event_EventType.DELETE, ""],
      ]);
      await kv.put({ key: bytes(`${prefix}b`), value: bytes("3") });
      assert.equal(text((await stream.next()).events[0]?.kv?.value ?? nothing), "3");
    },
  },
  {
    name: "a catch-up comes in batches whose headers carry the store's revision, beyond that of their last event",
    async check({ kv, prefix, watch }) {
      // A batch holds up to 1,000 revisions. Other keys may change meanwhile, so the revisions may have gaps.
      const put = async (i: number) => (await kv.put({ key: bytes(`${prefix}${i}`) })).header?.revision as bigint;
      const made = [await put(0)];
      for (let i = 1; i < 1_100; i += 50) {
        made.push(...await Promise.all(Array.from({ length: 50 }, (_, j) => put(i + j))));
      }
      const now = (await kv.range({ key: bytes(prefix) })).header?.revision as bigint;
      const stream = watch();
      stream.create({ ...all(prefix), startRevision: made[0] as bigint });
      assert.equal((await stream.next()).created, true);
      const responses = await stream.events(1_101);
      assert.ok(responses.length >= 2);
      const [first] = responses as [WatchResponse];
      assert.ok(first.events.length <= 1_000);
      assert.ok((first.header?.revision as bigint) >= now);
      assert.ok((first.events.at(-1)?.kv?.modRevision as bigint) < now);
      const told = responses.flatMap((r) => r.events).map((e) => Number(e.kv?.modRevision));
      assert.deepEqual(told, made.map(Number).sort((one, other) => one - other));
    },
  },
  {
    name: "a watch with a future start revision sees nothing before it",
    async check({ kv, prefix, watch }) {
      const now = (await kv.put({ key: bytes(`${prefix}a`), value: bytes("0") })).header?.revision as bigint;
      const stream = watch();
      stream.create({ ...all(prefix), startRevision: now + 2n });
      assert.equal((await stream.next()).created, true);
      await kv.put({ key: bytes(`${prefix}a`), value: bytes("1") });
      await kv.put({ key: bytes(`${prefix}a`), value: bytes("2") });
      assert.equal(text((await stream.next()).events[0]?.kv?.value ?? nothing), "2");
    },
  },
  {
    name: "a watch returns the previous value when asked, except for a key that is new",
    async check({ kv, prefix, watch }) {
      const stream = watch();
      stream.create({ ...all(prefix), prevKv: true });
      await stream.next();
      const key = bytes(`${prefix}a`);
      await kv.put({ key, value: bytes("1") });
      await kv.put({ key, value: bytes("2") });
      await kv.deleteRange({ key });
      const events = (await stream.events(3)).flatMap((r) => r.events);
      assert.deepEqual(events.map((e) => e.prevKv && text(e.prevKv.value)), [undefined, "1", "2"]);
    },
  },
  {
    name: "filters leave out puts or deletions",
    async check({ kv, prefix, watch }) {
      const stream = watch();
      stream.create({ ...all(prefix), watchId: 1n, filters: [Filter.NOPUT] });
      stream.create({ ...all(prefix), watchId: 2n, filters: [Filter.NODELETE] });
      await stream.next();
      await stream.next();
      const key = bytes(`${prefix}a`);
      await kv.put({ key });
      await kv.deleteRange({ key });
      await kv.put({ key });
      const seen = await stream.events(3);
      const typesOf = (id: bigint) => seen.filter((r) => r.watchId === id).flatMap((r) => r.events.map((e) => e.type));
      assert.deepEqual(typesOf(1n), [Event_EventType.DELETE]);
      assert.deepEqual(typesOf(2n), [Event_EventType.PUT, Event_EventType.PUT]);
    },
  },
  {
    name: "one stream carries several watches under ids that are chosen or counted, and a canceled one ends alone",
    async check({ kv, prefix, watch }) {
      const stream = watch();
      stream.create({ key: bytes(`${prefix}a`) });
      const first = (await stream.next()).watchId;
      stream.create({ key: bytes(`${prefix}b`), watchId: 77n });
      assert.equal((await stream.next()).watchId, 77n);
      stream.create({ key: bytes(`${prefix}c`), watchId: 77n });
      const refusal = await stream.next();
      assert.deepEqual([refusal.created, refusal.canceled, refusal.watchId], [true, true, -1n]);
      assert.match(refusal.cancelReason, /duplicate watch ID/);
      stream.cancel(first);
      const canceled = await stream.next();
      assert.deepEqual([canceled.watchId, canceled.canceled, canceled.created], [first, true, false]);
      await kv.put({ key: bytes(`${prefix}a`) });
      await kv.put({ key: bytes(`${prefix}b`) });
      assert.equal((await stream.next()).watchId, 77n);
    },
  },
  {
    name: "a watch on an empty range is created and canceled at once",
    async check({ prefix, watch }) {
      const stream = watch();
      stream.create({ key: bytes(`${prefix}b`), rangeEnd: bytes(`${prefix}a`) });
      const refusal = await stream.next();
      assert.deepEqual([refusal.created, refusal.canceled, refusal.watchId], [true, true, -1n]);
      assert.equal(refusal.cancelReason, "mvcc: watcher range is empty");
    },
  },
  {
    name: "a progress request is answered for the whole stream, with the store's revision and no events",
    async check({ kv, prefix, watch }) {
      const stream = watch();
      stream.create(all(prefix));
      await stream.next();
      const { header } = await kv.put({ key: bytes(`other-${prefix}`) });
      stream.progress();
      const progress = await stream.next();
      assert.deepEqual([progress.watchId, progress.events.length, progress.created], [-1n, 0, false]);
      assert.equal(progress.header?.revision, header?.revision);
    },
  },
  {
    name:
      "a response too large is split for a watch that asks for fragments, and the last piece says that it is the last",
    async check({ kv, prefix, watch }) {
      const value = new Uint8Array(900_000);
      let from = 0n;
      for (const name of ["a", "b", "c"]) {
        const { header } = await kv.put({ key: bytes(prefix + name), value });
        from ||= header?.revision as bigint;
      }
      const stream = watch();
      stream.create({ ...all(prefix), startRevision: from, fragment: true });
      await stream.next();
      const pieces = await stream.events(3);
      assert.ok(pieces.length > 1);
      assert.deepEqual(pieces.map((piece) => piece.fragment), pieces.map((_, i) => i < pieces.length - 1));
      assert.deepEqual(pieces.flatMap((p) => p.events).map((e) => text(e.kv?.key ?? nothing).slice(-1)), [
        "a",
        "b",
        "c",
      ]);
    },
  },
];
