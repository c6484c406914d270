import type {
  Compare,
  EtcdStatus,
  KeyValue,
  LeaseTimeToLive,
  RangeRequest,
  RangeResponse,
  ResponseHeader,
  TxnOperation,
  TxnRequest,
  TxnResponse,
  WatchEvent,
  WatchRequest,
  WatchResponse,
} from "../driver.ts";
import { fromBase64, toBase64 } from "./base64.ts";

/**
 * A message of etcd's API in protobuf's JSON: fields that have their type's zero value are absent, 64-bit numbers are
 * strings, bytes are base64.
 */
export type Json = { readonly [field: string]: unknown };

export const isRecord = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

// Requests

export function rangeRequest({ key, rangeEnd, limit }: RangeRequest): Json {
  return {
    key: toBase64(key),
    ...(rangeEnd === undefined ? {} : { range_end: toBase64(rangeEnd) }),
    ...(limit === undefined ? {} : { limit: String(limit) }),
  };
}

export function txnRequest({ compare, success, failure }: TxnRequest): Json {
  return { compare: compare.map(comparison), success: success.map(operation), failure: failure.map(operation) };
}

function comparison({ target, key, value }: Compare): Json {
  return { result: "EQUAL", target: target.toUpperCase(), key: toBase64(key), [target]: String(value) };
}

function operation(op: TxnOperation): Json {
  if ("range" in op) return { request_range: rangeRequest(op.range) };
  const { key, value, lease } = op.put;
  return { request_put: { key: toBase64(key), value: toBase64(value), lease: String(lease) } };
}

export function watchRequest({ watchId, key, rangeEnd, startRevision }: WatchRequest): Json {
  return {
    create_request: {
      watch_id: String(watchId),
      key: toBase64(key),
      range_end: toBase64(rangeEnd),
      start_revision: String(startRevision),
      progress_notify: true,
      fragment: true,
    },
  };
}

// Responses

export function header(message: Json): ResponseHeader {
  const header = record(message, "header");
  return {
    clusterId: int64(header, "cluster_id"),
    revision: int64(header, "revision"),
    raftTerm: int64(header, "raft_term"),
  };
}

export function rangeResponse(message: Json): RangeResponse {
  return { header: header(message), kvs: records(message, "kvs").map(keyValue), more: message["more"] === true };
}

export function txnResponse(message: Json): TxnResponse {
  const kvs = records(message, "responses").flatMap((response) =>
    records(record(response, "response_range"), "kvs").map(keyValue)
  );
  return { header: header(message), succeeded: message["succeeded"] === true, kvs };
}

export function timeToLive(message: Json): LeaseTimeToLive | undefined {
  const ttlSeconds = int64(message, "TTL");
  if (ttlSeconds < 0n) return undefined;
  return { ttlSeconds, grantedSeconds: int64(message, "grantedTTL"), keys: list(message, "keys").map(bytes) };
}

export function status(message: Json): EtcdStatus {
  return {
    header: header(message),
    version: String(message["version"] ?? ""),
    memberId: int64(record(message, "header"), "member_id"),
    leaderId: int64(message, "leader"),
    dbSizeBytes: int64(message, "dbSize"),
    raftIndex: int64(message, "raftIndex"),
  };
}

export function watchResponse(message: Json): WatchResponse {
  return {
    header: header(message),
    watchId: int64(message, "watch_id"),
    created: message["created"] === true,
    canceled: message["canceled"] === true,
    compactRevision: int64(message, "compact_revision"),
    cancelReason: String(message["cancel_reason"] ?? ""),
    fragment: message["fragment"] === true,
    events: records(message, "events").map(watchEvent),
  };
}

function watchEvent(event: Json): WatchEvent {
  return { type: event["type"] === "DELETE" ? "delete" : "put", kv: keyValue(record(event, "kv")) };
}

function keyValue(kv: Json): KeyValue {
  return {
    key: bytes(kv["key"]),
    value: bytes(kv["value"]),
    createRevision: int64(kv, "create_revision"),
    modRevision: int64(kv, "mod_revision"),
    lease: int64(kv, "lease"),
  };
}

// Fields; one of another type is an error, whose text never holds the value.

export function int64(message: Json, field: string): bigint {
  const value = message[field] ?? "0";
  if (typeof value === "string" && /^-?\d{1,20}$/.test(value)) return BigInt(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  throw unexpected(field, "a whole number");
}

function bytes(value: unknown = ""): Uint8Array {
  if (typeof value !== "string") throw unexpected("of bytes", "base64");
  return fromBase64(value);
}

function record(message: Json, field: string): Json {
  const value = message[field] ?? {};
  if (!isRecord(value)) throw unexpected(field, "an object");
  return value;
}

function records(message: Json, field: string): readonly Json[] {
  const values = list(message, field);
  if (!values.every(isRecord)) throw unexpected(field, "objects");
  return values;
}

function list(message: Json, field: string): readonly unknown[] {
  const values = message[field] ?? [];
  if (!Array.isArray(values)) throw unexpected(field, "an array");
  return values;
}

const unexpected = (field: string, expected: string) =>
  new TypeError(`the field ${field} of etcd's answer is not ${expected}`);
