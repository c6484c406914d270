import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { getOp } from "./op.ts";
import { all, bytes, nothing, refused, type Statement, text } from "./subject.ts";

export const serverStatements: Statement[] = [
  {
    name: "authenticating where authentication is off is refused as FailedPrecondition",
    check: ({ auth }) =>
      refused(
        Code.FailedPrecondition,
        "etcdserver: authentication is not enabled",
        auth.authenticate({ name: "root", password: "secret" }),
      ),
  },
  {
    name: "the status has version, leader and ids",
    async check({ maintenance }) {
      const status = await maintenance.status({});
      assert.match(status.version, /^3\.\d+\.\d+/);
      assert.equal(status.leader, status.header?.memberId);
      assert.ok(status.raftTerm > 0n && status.dbSize >= 0n);
    },
  },
  {
    name: "a compacted revision can't be read, and compacting again or ahead is refused, all as OutOfRange",
    async check({ kv, prefix }) {
      const key = bytes(`${prefix}a`);
      await kv.put({ key, value: bytes("1") });
      const at = (await kv.put({ key, value: bytes("2") })).header?.revision as bigint;
      await kv.put({ key, value: bytes("3") });
      await kv.compact({ revision: at });
      const compacted = "etcdserver: mvcc: required revision has been compacted";
      await refused(Code.OutOfRange, compacted, kv.range({ key, revision: at - 1n }));
      assert.equal(text((await kv.range({ key, revision: at })).kvs[0]?.value ?? nothing), "2");
      await refused(Code.OutOfRange, compacted, kv.compact({ revision: at }));
      await refused(Code.OutOfRange, compacted, kv.txn({ success: [getOp(`${prefix}a`, { revision: at - 1n })] }));
      const future = "etcdserver: mvcc: required revision is a future revision";
      await refused(Code.OutOfRange, future, kv.compact({ revision: at + 1_000_000n }));
    },
  },
  {
    name: "a watch from a compacted revision is created, then canceled with the compact revision; others go on",
    async check({ kv, prefix, watch }) {
      const key = bytes(`${prefix}a`);
      const first = (await kv.put({ key, value: bytes("1") })).header?.revision as bigint;
      const at = (await kv.put({ key, value: bytes("2") })).header?.revision as bigint;
      await kv.compact({ revision: at });
      const stream = watch();
      stream.create({ ...all(prefix), startRevision: first, watchId: 5n });
      const created = await stream.next();
      assert.deepEqual([created.created, created.canceled, created.watchId], [true, false, 5n]);
      const canceled = await stream.next();
      assert.deepEqual([canceled.created, canceled.canceled, canceled.watchId], [false, true, 5n]);
      assert.deepEqual([canceled.compactRevision, canceled.events.length], [at, 0]);
      stream.create({ ...all(prefix), startRevision: at, watchId: 6n });
      assert.equal((await stream.next()).created, true);
      assert.equal(text((await stream.next()).events[0]?.kv?.value ?? nothing), "2");
    },
  },
  {
    name: "a watch that is up to date outlives a compaction",
    async check({ kv, prefix, watch }) {
      const stream = watch();
      stream.create(all(prefix));
      await stream.next();
      const key = bytes(`${prefix}a`);
      const at = (await kv.put({ key })).header?.revision as bigint;
      await stream.next();
      await kv.compact({ revision: at });
      await kv.put({ key, value: bytes("after") });
      assert.equal(text((await stream.next()).events[0]?.kv?.value ?? nothing), "after");
    },
  },
];
