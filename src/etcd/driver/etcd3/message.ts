import type {
  Compare,
  EtcdStatus,
  KeyValue,
  LeaseTimeToLive,
  RangeRequest,
  ResponseHeader,
  TxnOperation,
  TxnRequest,
  WatchEvent,
  WatchRequest,
  WatchResponse,
} from "../driver.ts";
import type {
  RawCompare,
  RawEvent,
  RawHeader,
  RawKeyValue,
  RawOperation,
  RawRangeRequest,
  RawStatus,
  RawTimeToLive,
  RawTxnRequest,
  RawWatchRequest,
  RawWatchResponse,
} from "./package.ts";

/** A plain view of a Buffer. */
const plain = ({ buffer, byteOffset, length }: Uint8Array): Uint8Array => new Uint8Array(buffer, byteOffset, length);

export function rangeRequest({ key, rangeEnd, limit }: RangeRequest): RawRangeRequest {
  return {
    key,
    ...(rangeEnd === undefined ? {} : { range_end: rangeEnd }),
    ...(limit === undefined ? {} : { limit: String(limit) }),
  };
}

export function txnRequest({ compare, success, failure }: TxnRequest): RawTxnRequest {
  return {
    compare: compare.map(comparison),
    success: success.map(operation),
    failure: failure.map(operation),
  };
}

export function watchRequest({ watchId, key, rangeEnd, startRevision }: WatchRequest): RawWatchRequest {
  return {
    create_request: {
      watch_id: String(watchId),
      key,
      range_end: rangeEnd,
      start_revision: String(startRevision),
      progress_notify: true,
      fragment: true,
    },
  };
}

export function header(message: RawHeader | null): ResponseHeader {
  return {
    clusterId: BigInt(message?.cluster_id ?? 0),
    revision: BigInt(message?.revision ?? 0),
    raftTerm: BigInt(message?.raft_term ?? 0),
  };
}

export function keyValue({ key, value, create_revision, mod_revision, lease }: RawKeyValue): KeyValue {
  return {
    key: plain(key),
    value: plain(value),
    createRevision: BigInt(create_revision),
    modRevision: BigInt(mod_revision),
    lease: BigInt(lease),
  };
}

export function timeToLive({ TTL, grantedTTL, keys }: RawTimeToLive): LeaseTimeToLive | undefined {
  const ttlSeconds = BigInt(TTL);
  return ttlSeconds < 0n ? undefined : { ttlSeconds, grantedSeconds: BigInt(grantedTTL), keys: keys.map(plain) };
}

export function status(message: RawStatus): EtcdStatus {
  return {
    header: header(message.header),
    version: message.version,
    memberId: BigInt(message.header?.member_id ?? 0),
    leaderId: BigInt(message.leader),
    dbSizeBytes: BigInt(message.dbSize),
    raftIndex: BigInt(message.raftIndex),
  };
}

export function watchResponse(message: RawWatchResponse): WatchResponse {
  const { created, canceled, fragment } = message;
  return {
    header: header(message.header),
    watchId: BigInt(message.watch_id),
    created,
    canceled,
    compactRevision: BigInt(message.compact_revision),
    cancelReason: message.cancel_reason,
    fragment,
    events: message.events.flatMap(watchEvent),
  };
}

function watchEvent({ type, kv }: RawEvent): WatchEvent[] {
  return kv === null ? [] : [{ type: type === "Delete" ? "delete" : "put", kv: keyValue(kv) }];
}

function comparison({ target, key, value }: Compare): RawCompare {
  const common = { result: "Equal", key } as const;
  return target === "version"
    ? { ...common, target: "Version", version: String(value) }
    : { ...common, target: "Lease", lease: String(value) };
}

function operation(op: TxnOperation): RawOperation {
  if ("range" in op) return { request_range: rangeRequest(op.range) };
  const { key, value, lease } = op.put;
  return { request_put: { key, value, lease: String(lease) } };
}
