import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { RangeRequest_SortOrder as Order, RangeRequest_SortTarget as By } from "../../../gen/etcd/rpc_pb.ts";
import { all, bytes, nothing, refused, type Statement, text } from "./subject.ts";

export const kvStatements: Statement[] = [
  {
    name: "a put makes the next revision, and the key has its create revision, mod revision and version",
    async check({ kv, prefix }) {
      const key = bytes(`${prefix}a`);
      const first = (await kv.put({ key, value: bytes("1") })).header?.revision as bigint;
      const second = (await kv.put({ key, value: bytes("2") })).header?.revision as bigint;
      assert.ok(second > first);
      const { kvs: [found], header, count } = await kv.range({ key });
      assert.ok(header !== undefined && header.clusterId !== 0n && header.memberId !== 0n && header.raftTerm > 0n);
      assert.equal(count, 1n);
      assert.equal(text(found?.value ?? nothing), "2");
      assert.deepEqual([found?.createRevision, found?.modRevision, found?.version], [first, second, 2n]);
    },
  },
  {
    name: "a key that is put again after its deletion has a new create revision and version 1",
    async check({ kv, prefix }) {
      const key = bytes(`${prefix}a`);
      await kv.put({ key });
      await kv.put({ key });
      assert.equal((await kv.deleteRange({ key })).deleted, 1n);
      const again = (await kv.put({ key })).header?.revision;
      const { kvs: [found] } = await kv.range({ key });
      assert.deepEqual([found?.createRevision, found?.modRevision, found?.version], [again, again, 1n]);
    },
  },
  {
    name: "put and delete return the previous value when asked",
    async check({ kv, prefix }) {
      const key = bytes(`${prefix}a`);
      assert.equal((await kv.put({ key, value: bytes("1"), prevKv: true })).prevKv, undefined);
      assert.equal(text((await kv.put({ key, value: bytes("2"), prevKv: true })).prevKv?.value ?? nothing), "1");
      assert.equal((await kv.put({ key, value: bytes("3") })).prevKv, undefined);
      const { prevKvs, deleted } = await kv.deleteRange({ key, prevKv: true });
      assert.deepEqual([deleted, prevKvs.map((p) => text(p.value))], [1n, ["3"]]);
      assert.equal((await kv.deleteRange({ key })).deleted, 0n);
    },
  },
  {
    name: "deleting nothing makes no revision",
    async check({ kv, prefix }) {
      const before = (await kv.range({ key: bytes(`${prefix}a`) })).header?.revision;
      assert.equal((await kv.deleteRange(all(prefix))).header?.revision, before);
    },
  },
  {
    name: "a range ends before its range_end, and `<prefix>/` leaves out keys of a longer name",
    async check({ kv, prefix }) {
      for (const name of ["svc/a", "svc/b", "svc", "svc2/a", "svc/"]) await kv.put({ key: bytes(prefix + name) });
      const names = async (request: { key: Uint8Array; rangeEnd?: Uint8Array }) =>
        (await kv.range(request)).kvs.map((found) => text(found.key).slice(prefix.length));
      assert.deepEqual(await names(all(`${prefix}svc/`)), ["svc/", "svc/a", "svc/b"]);
      assert.deepEqual(await names(all(`${prefix}svc`)), ["svc", "svc/", "svc/a", "svc/b", "svc2/a"]);
      assert.deepEqual(await names({ key: bytes(`${prefix}svc/a`), rangeEnd: bytes(`${prefix}svc/b`) }), ["svc/a"]);
      assert.deepEqual(await names({ key: bytes(`${prefix}svc`) }), ["svc"]);
      assert.deepEqual(await names({ key: bytes(`${prefix}svc/b`), rangeEnd: bytes(`${prefix}svc/a`) }), []);
      const onwards = await kv.range({ key: bytes(`${prefix}svc/b`), rangeEnd: new Uint8Array(1) });
      assert.ok(onwards.kvs.every((found) => text(found.key) >= `${prefix}svc/b`));
      assert.ok(onwards.count >= 2n);
    },
  },
  {
    name: "keys sort as bytes, not as text",
    async check({ kv, prefix }) {
      const tails = [[0xff], [0x61], [0xc3, 0xa9], [0], [0x61, 0]];
      for (const tail of tails) await kv.put({ key: Uint8Array.from([...bytes(prefix), ...tail]) });
      const { kvs } = await kv.range(all(prefix));
      assert.deepEqual(kvs.map((found) => [...found.key.slice(prefix.length)]), [
        [0],
        [0x61],
        [0x61, 0],
        [0xc3, 0xa9],
        [0xff],
      ]);
    },
  },
  {
    name: "a limit cuts the answer and says that there is more; the count is of all",
    async check({ kv, prefix }) {
      for (const name of ["a", "b", "c"]) await kv.put({ key: bytes(prefix + name), value: bytes(name) });
      const cut = await kv.range({ ...all(prefix), limit: 2n });
      assert.deepEqual([cut.kvs.length, cut.more, cut.count], [2, true, 3n]);
      const whole = await kv.range({ ...all(prefix), limit: 3n });
      assert.deepEqual([whole.kvs.length, whole.more, whole.count], [3, false, 3n]);
      const counted = await kv.range({ ...all(prefix), countOnly: true });
      assert.deepEqual([counted.kvs.length, counted.more, counted.count], [0, false, 3n]);
      const keys = await kv.range({ ...all(prefix), keysOnly: true });
      assert.deepEqual(keys.kvs.map((found) => [text(found.key).slice(-1), found.value.length]), [
        ["a", 0],
        ["b", 0],
        ["c", 0],
      ]);
      assert.equal(text((await kv.range({ key: bytes(`${prefix}a`) })).kvs[0]?.value ?? nothing), "a");
    },
  },
  {
    name: "an answer is sorted by what was asked for, before the limit cuts it",
    async check({ kv, prefix }) {
      await kv.put({ key: bytes(`${prefix}b`), value: bytes("1") });
      await kv.put({ key: bytes(`${prefix}c`), value: bytes("0") });
      await kv.put({ key: bytes(`${prefix}a`), value: bytes("2") });
      await kv.put({ key: bytes(`${prefix}b`), value: bytes("3") });
      const names = async (sortTarget: By, sortOrder: Order, limit = 0n) =>
        (await kv.range({ ...all(prefix), sortTarget, sortOrder, limit })).kvs.map((f) => text(f.key).slice(-1)).join(
          "",
        );
      assert.equal(await names(By.KEY, Order.NONE), "abc");
      assert.equal(await names(By.KEY, Order.DESCEND), "cba");
      assert.equal(await names(By.KEY, Order.DESCEND, 1n), "c");
      assert.equal(await names(By.CREATE, Order.ASCEND), "bca");
      assert.equal(await names(By.MOD, Order.DESCEND), "bac");
      assert.equal(await names(By.MOD, Order.NONE), "cab");
      assert.equal(await names(By.VALUE, Order.ASCEND), "cab");
      assert.equal(await names(By.VERSION, Order.DESCEND, 1n), "b");
    },
  },
  {
    name: "bounds of the mod and create revision filter the answer, not the count",
    async check({ kv, prefix }) {
      const at: bigint[] = [];
      for (const name of ["a", "b", "c"]) {
        at.push((await kv.put({ key: bytes(prefix + name) })).header?.revision as bigint);
      }
      await kv.put({ key: bytes(`${prefix}a`) });
      const names = async (bounds: object) => {
        const found = await kv.range({ ...all(prefix), ...bounds });
        assert.equal(found.count, 3n);
        return found.kvs.map((one) => text(one.key).slice(-1)).join("");
      };
      assert.equal(await names({ minModRevision: at[1] }), "abc");
      assert.equal(await names({ minModRevision: at[2] }), "ac");
      assert.equal(await names({ maxModRevision: at[1] }), "b");
      assert.equal(await names({ minCreateRevision: at[1] }), "bc");
      assert.equal(await names({ maxCreateRevision: at[1] }), "ab");
    },
  },
  {
    name: "a range at an older revision returns what was there then, with the current revision in its header",
    async check({ kv, prefix }) {
      const key = bytes(`${prefix}a`);
      const first = (await kv.put({ key, value: bytes("1") })).header?.revision as bigint;
      await kv.put({ key, value: bytes("2") });
      await kv.put({ key: bytes(`${prefix}b`) });
      const deleted = (await kv.deleteRange({ key })).header?.revision as bigint;
      const then = await kv.range({ ...all(prefix), revision: first });
      assert.deepEqual(then.kvs.map((found) => text(found.value)), ["1"]);
      assert.ok((then.header?.revision as bigint) >= deleted);
      assert.equal((await kv.range({ key, revision: deleted - 1n })).count, 1n);
      assert.equal((await kv.range({ key, revision: deleted })).count, 0n);
    },
  },
  {
    name: "a range at a future revision is refused as OutOfRange",
    async check({ kv, prefix }) {
      const now = (await kv.range({ key: bytes(prefix) })).header?.revision as bigint;
      await refused(
        Code.OutOfRange,
        "etcdserver: mvcc: required revision is a future revision",
        kv.range({ key: bytes(prefix), revision: now + 1_000_000n }),
      );
    },
  },
  {
    name: "requests without a key, and puts that contradict themselves, are refused as InvalidArgument",
    async check({ kv, prefix }) {
      const key = bytes(`${prefix}a`);
      const invalid = (message: string, call: Promise<unknown>) => refused(Code.InvalidArgument, message, call);
      await invalid("etcdserver: key is not provided", kv.range({}));
      await invalid("etcdserver: key is not provided", kv.put({ value: bytes("1") }));
      await invalid("etcdserver: key is not provided", kv.deleteRange({}));
      await invalid("etcdserver: value is provided", kv.put({ key, value: bytes("1"), ignoreValue: true }));
      await invalid("etcdserver: lease is provided", kv.put({ key, lease: 1n, ignoreLease: true }));
      await invalid("etcdserver: key not found", kv.put({ key, ignoreValue: true }));
      await invalid("etcdserver: key not found", kv.put({ key, ignoreLease: true }));
    },
  },
  {
    name: "a put that ignores the value or the lease keeps the one that stands",
    async check({ kv, lease, prefix }) {
      const key = bytes(`${prefix}a`);
      const { ID } = await lease.leaseGrant({ TTL: 60n });
      await kv.put({ key, value: bytes("1"), lease: ID });
      await kv.put({ key, value: bytes("2"), ignoreLease: true });
      await kv.put({ key, lease: ID, ignoreValue: true });
      const { kvs: [kept] } = await kv.range({ key });
      assert.deepEqual([text(kept?.value ?? nothing), kept?.lease, kept?.version], ["2", ID, 3n]);
      await kv.put({ key, ignoreValue: true });
      const { kvs: [freed] } = await kv.range({ key });
      assert.deepEqual([text(freed?.value ?? nothing), freed?.lease], ["2", 0n]);
      await lease.leaseRevoke({ ID });
      assert.equal((await kv.range({ key })).count, 1n);
    },
  },
  {
    name: "a request above 1.5 MiB is refused as InvalidArgument",
    async check({ kv, prefix }) {
      const request = { key: bytes(`${prefix}a`), value: new Uint8Array(1_600_000) };
      const tooLarge = "etcdserver: request is too large";
      await refused(Code.InvalidArgument, tooLarge, kv.put(request));
      const txn = kv.txn({ success: [{ request: { case: "requestPut", value: request } }] });
      await refused(Code.InvalidArgument, tooLarge, txn);
      assert.equal((await kv.range({ key: request.key })).count, 0n);
    },
  },
];
