import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { Event_EventType } from "../../../gen/etcd/kv_pb.ts";
import { all, bytes, nothing, refused, type Statement, text } from "./subject.ts";

export const leaseStatements: Statement[] = [
  {
    name: "a lease has the id that was asked for, or one that the server chose, and a TTL of at least 2 seconds",
    async check({ lease }) {
      const own = BigInt(Math.floor(performance.now() * 1_000)) + 1n;
      assert.deepEqual((await lease.leaseGrant({ TTL: 60n, ID: own })).ID, own);
      await refused(
        Code.FailedPrecondition,
        "etcdserver: lease already exists",
        lease.leaseGrant({ TTL: 60n, ID: own }),
      );
      const chosen = await lease.leaseGrant({ TTL: 1n });
      assert.ok(chosen.ID > 0n);
      assert.equal(chosen.TTL, 2n);
      assert.equal((await lease.leaseGrant({ TTL: 0n })).TTL, 2n);
      await refused(Code.OutOfRange, "etcdserver: too large lease TTL", lease.leaseGrant({ TTL: 9_000_000_001n }));
      const { leases } = await lease.leaseLeases({});
      assert.ok(leases.some(({ ID }) => ID === own) && leases.some(({ ID }) => ID === chosen.ID));
    },
  },
  {
    name: "a keepalive answers with the whole TTL, and for a lease that is gone with TTL 0",
    async check({ lease, keepAlive }) {
      const { ID } = await lease.leaseGrant({ TTL: 60n });
      const { ID: answered, TTL } = await keepAlive(ID);
      assert.deepEqual([answered, TTL], [ID, 60n]);
      await lease.leaseRevoke({ ID });
      const gone = await keepAlive(ID);
      assert.deepEqual([gone.ID, gone.TTL], [ID, 0n]);
    },
  },
  {
    name: "a put with a lease that is gone, and revoking it again, are refused as NotFound",
    async check({ kv, lease, prefix }) {
      const { ID } = await lease.leaseGrant({ TTL: 60n });
      await lease.leaseRevoke({ ID });
      const key = bytes(`${prefix}a`);
      await refused(Code.NotFound, "etcdserver: requested lease not found", kv.put({ key, lease: ID }));
      await refused(Code.NotFound, "etcdserver: requested lease not found", lease.leaseRevoke({ ID }));
      assert.equal((await kv.range({ key })).count, 0n);
    },
  },
  {
    name: "time to live returns what is left and the keys that are attached, and -1 for a lease that is gone",
    async check({ kv, lease, prefix }) {
      const { ID } = await lease.leaseGrant({ TTL: 60n });
      await kv.put({ key: bytes(`${prefix}b`), lease: ID });
      await kv.put({ key: bytes(`${prefix}a`), lease: ID });
      const left = await lease.leaseTimeToLive({ ID, keys: true });
      assert.ok(left.TTL > 50n && left.TTL <= 60n);
      assert.equal(left.grantedTTL, 60n);
      assert.deepEqual(left.keys.map(text).sort(), [`${prefix}a`, `${prefix}b`]);
      assert.deepEqual((await lease.leaseTimeToLive({ ID })).keys, []);
      await lease.leaseRevoke({ ID });
      const gone = await lease.leaseTimeToLive({ ID, keys: true });
      assert.deepEqual([gone.TTL, gone.grantedTTL, gone.keys.length], [-1n, 0n, 0]);
    },
  },
  {
    name: "revoking a lease deletes its keys in one revision, and watches see them in order of the keys",
    async check({ kv, lease, prefix, watch }) {
      const { ID } = await lease.leaseGrant({ TTL: 60n });
      await kv.put({ key: bytes(`${prefix}b`), lease: ID });
      await kv.put({ key: bytes(`${prefix}a`), lease: ID });
      await kv.put({ key: bytes(`${prefix}c`) });
      const stream = watch();
      stream.create(all(prefix));
      assert.equal((await stream.next()).created, true);
      const { header } = await lease.leaseRevoke({ ID });
      const { events } = await stream.next();
      assert.deepEqual(events.map((e) => [e.type, text(e.kv?.key ?? nothing), e.kv?.modRevision]), [
        [Event_EventType.DELETE, `${prefix}a`, header?.revision],
        [Event_EventType.DELETE, `${prefix}b`, header?.revision],
      ]);
      assert.equal((await kv.range(all(prefix))).count, 1n);
    },
  },
  {
    name: "a key belongs to the lease of its last put",
    async check({ kv, lease, prefix }) {
      const first = await lease.leaseGrant({ TTL: 60n });
      const second = await lease.leaseGrant({ TTL: 60n });
      const key = bytes(`${prefix}a`);
      await kv.put({ key, lease: first.ID });
      await kv.put({ key, lease: second.ID });
      await lease.leaseRevoke({ ID: first.ID });
      assert.equal((await kv.range({ key })).kvs[0]?.lease, second.ID);
      await kv.put({ key });
      await lease.leaseRevoke({ ID: second.ID });
      assert.equal((await kv.range({ key })).kvs[0]?.lease, 0n);
    },
  },
  {
    name:
      "a lease that is not kept alive expires, deletes its keys, which watches see, and one that is kept alive stays",
    async check({ kv, lease, prefix, watch, keepAlive }) {
      // The kept one would expire first; etcd looks for expired leases every half second.
      const dying = await lease.leaseGrant({ TTL: 4n });
      const kept = await lease.leaseGrant({ TTL: 3n });
      await kv.put({ key: bytes(`${prefix}dying`), value: bytes("v"), lease: dying.ID });
      await kv.put({ key: bytes(`${prefix}kept`), lease: kept.ID });
      const stream = watch();
      stream.create({ ...all(prefix), prevKv: true });
      assert.equal((await stream.next()).created, true);
      let told = false;
      const event = stream.next().finally(() => (told = true));
      while (!told) {
        await keepAlive(kept.ID);
        await Promise.race([event.catch(() => {}), new Promise((resolve) => setTimeout(resolve, 200))]);
      }
      const { events: [gone] } = await event;
      assert.equal(gone?.type, Event_EventType.DELETE);
      assert.equal(text(gone?.kv?.key ?? nothing), `${prefix}dying`);
      assert.equal(text(gone?.prevKv?.value ?? nothing), "v");
      assert.equal((await keepAlive(dying.ID)).TTL, 0n);
      assert.equal((await keepAlive(kept.ID)).TTL, 3n);
      assert.deepEqual((await kv.range(all(prefix))).kvs.map((found) => text(found.key)), [`${prefix}kept`]);
      await lease.leaseRevoke({ ID: kept.ID });
    },
  },
];
