import { createClient } from "@connectrpc/connect";
import { KV } from "../../../gen/etcd/rpc_pb.ts";
import type { Endpoint } from "../../endpoint.ts";
import { etcdLinkOptions } from "../../etcd/driver/connect/link-options.ts";
import { grpcConnector } from "../../node/grpc-connector.ts";
import type { TlsSource } from "../../node/tls-options.ts";
import type { EtcdMember } from "./etcd-members.ts";
import type { Finding } from "./finding.ts";

/** So many revisions without compaction are no accident of a young store. */
const MANY_REVISIONS = 100_000n;
/** etcd's default of `--quota-backend-bytes`, and the share of it at which it is time to act. */
const DEFAULT_QUOTA_BYTES = 2n ** 31n, NEARLY = 0.8;

/** What the check of compaction goes by. */
export interface StoreHistory {
  readonly member: EtcdMember;
  /** Whether the store still has its first revision; undefined if that is not known. */
  readonly hasFirstRevision: boolean | undefined;
}

/** Stores that only grow: at its quota, etcd accepts no registrations any more. */
export function etcdCompaction({ member: { endpoint, status }, hasFirstRevision }: StoreHistory): readonly Finding[] {
  if (status === undefined) return [];
  const where = `etcd ${endpoint.address}`, { dbSizeBytes } = status;
  if (Number(dbSizeBytes) > NEARLY * Number(DEFAULT_QUOTA_BYTES)) {
    return [{
      severity: "warning",
      what: `etcd's database has ${(Number(dbSizeBytes) / 2 ** 30).toFixed(1)} GiB; at its quota, 2 GiB by default, ` +
        "it accepts no more registrations",
      where,
      next:
        "etcdctl compact REVISION, then etcdctl defrag on each member; --auto-compaction-retention=1h keeps it small",
    }];
  }
  if (hasFirstRevision !== true || status.header.revision < MANY_REVISIONS) return [];
  return [{
    severity: "warning",
    what: `etcd's store was never compacted, after ${MANY_REVISIONS} revisions and more: it grows until its quota`,
    where,
    next: "start etcd with --auto-compaction-mode=periodic --auto-compaction-retention=1h, or run etcdctl compact",
  }];
}

/** Whether a read at the first revision is refused because of a compaction. */
export async function hasFirstRevision(
  { endpoint, tls, token }: {
    readonly endpoint: Endpoint;
    readonly tls: TlsSource | undefined;
    readonly token?: string;
  },
  key: Uint8Array,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const link = grpcConnector({ ...etcdLinkOptions({}), tls })(endpoint, { draining() {}, lost() {} });
  try {
    await link.connect?.(signal);
    const headers = token === undefined ? {} : { token };
    await createClient(KV, link.transport).range({ key, revision: 1n, countOnly: true }, { signal, headers });
    return true;
  } catch (error) {
    return /compacted/i.test((error as Error).message) ? false : undefined;
  } finally {
    await link.close();
  }
}
