import { createClient } from "@connectrpc/connect";
import type { KeyValue } from "../../../gen/etcd/kv_pb.ts";
import { KV, Lease } from "../../../gen/etcd/rpc_pb.ts";
import type { MemoryEtcd } from "../../../src/memory-etcd/memory-etcd.ts";

/** What an etcd held at some time. */
export interface Backup {
  readonly leases: readonly { readonly ID: bigint; readonly TTL: bigint }[];
  readonly kvs: readonly KeyValue[];
}

/** From the first key to the last. */
const ALL = { key: new Uint8Array(1), rangeEnd: new Uint8Array(1) };

export async function backUp(etcd: MemoryEtcd): Promise<Backup> {
  const lease = createClient(Lease, etcd.transport());
  const { kvs } = await createClient(KV, etcd.transport()).range(ALL);
  const { leases } = await lease.leaseLeases({});
  return {
    kvs,
    leases: await Promise.all(leases.map(async ({ ID }) => ({
      ID,
      TTL: (await lease.leaseTimeToLive({ ID })).grantedTTL,
    }))),
  };
}

/** Fills a new etcd. Its revisions begin anew, so they are lower than those that clients have seen. */
export async function restore(etcd: MemoryEtcd, { leases, kvs }: Backup): Promise<void> {
  const lease = createClient(Lease, etcd.transport()), kv = createClient(KV, etcd.transport());
  for (const each of leases) await lease.leaseGrant(each);
  for (const { key, value, lease } of kvs) await kv.put({ key, value, lease });
}

/** Everything older than the newest revision is forgotten. */
export async function compact(etcd: MemoryEtcd): Promise<void> {
  const kv = createClient(KV, etcd.transport());
  const { header } = await kv.range(ALL);
  // It may have been compacted to this revision before.
  await kv.compact({ revision: header!.revision }).catch(() => {});
}
