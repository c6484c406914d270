import type { Endpoint } from "../../endpoint.ts";

/**
 * The thin etcd client under the etcd registry.
 *
 * A driver makes one attempt on one etcd endpoint and keeps the sessions to the endpoints, nothing else: timeouts,
 * retries, tokens and revisions are the registry's. It takes and returns plain objects, so that it can use generated
 * code, another etcd client or etcd's JSON gateway. etcd's numbers (revisions, lease ids) are bigints.
 *
 * To write one, implement each method as one request, end it when the context's signal aborts, send the context's token
 * as etcd's client does, and pass errors through unchanged: `classify` is asked later what they mean. `Sessions` keeps
 * one session for each endpoint, with the generations that `reset` needs. `connect/connect-driver.ts` is the example;
 * `createRegistryOver` makes a registry over a driver.
 */
export interface EtcdDriver extends RequestDriver {
  readonly capabilities: DriverCapabilities;
  /**
   * Watch.Watch: a stream that has no watches at first. Requires a leader (`hasleader`). It is opened when its
   * responses are read, and ends when the context's signal aborts.
   */
  watch(context: AttemptContext): WatchStream;
  /** Maintenance.Status of the member at the context's endpoint, which may have lost its cluster. */
  status(context: AttemptContext): Promise<EtcdStatus>;
}

/** The part of an {@link EtcdDriver} whose requests end with their answers: all that a registry without watches needs. */
export interface RequestDriver {
  /** KV.Range, linearizable: a single key, or the keys from `key` up to, but not including, `rangeEnd`. */
  range(request: RangeRequest, context: AttemptContext): Promise<RangeResponse>;
  /** KV.Txn. */
  txn(request: TxnRequest, context: AttemptContext): Promise<TxnResponse>;
  /** Lease.LeaseGrant with an id chosen by the caller. Resolves to the TTL in seconds that etcd granted. */
  leaseGrant(request: LeaseGrantRequest, context: AttemptContext): Promise<bigint>;
  /**
   * Lease.LeaseKeepAlive, once. Resolves to the new TTL in seconds; 0 or less means the lease is gone. Requires a
   * leader (`hasleader`). The request side of its stream stays open until the answer arrives: etcd's grpc-proxy ends
   * the stream when the request side ends.
   */
  leaseKeepAlive(id: bigint, context: AttemptContext): Promise<bigint>;
  /** Lease.LeaseRevoke. */
  leaseRevoke(id: bigint, context: AttemptContext): Promise<void>;
  /** Lease.LeaseTimeToLive: the remaining time of a lease. Undefined: etcd doesn't know the lease. */
  leaseTimeToLive(request: LeaseTimeToLiveRequest, context: AttemptContext): Promise<LeaseTimeToLive | undefined>;
  /** Auth.Authenticate. Resolves to a token. Omitted if the driver can't use passwords. */
  authenticate?(user: { name: string; password: string }, context: AttemptContext): Promise<string>;
  /** Classifies an error of one of these methods. */
  classify(error: unknown): FailureKind;
  /** Whether an error of `authenticate` means that the request was never sent. If omitted, it may have been. */
  unsent?(error: unknown): boolean;
  /**
   * How long a call must wait, in milliseconds, before the connection to the endpoint may be opened, because it could
   * not be opened before. It waits by itself; callers ask in order to wait ahead, or to call another endpoint. If
   * `neededByMs` is given, as in the {@link AttemptContext}, and would pass, 0. Omitted if the driver does not see its
   * connections, or fails calls until it opens another.
   */
  backoffMs?(endpoint: Endpoint, neededByMs?: number): number;
  /**
   * The number of the endpoint's session: read before an attempt, passed to `reset` after it. May also grow with each
   * opening.
   */
  generation(endpoint: Endpoint): number;
  /**
   * Gives up the endpoint's session because it does not answer: it takes no new calls and its watches end, while other
   * calls on it continue until they are answered or their callers, which may have longer timeouts, cancel them. Does
   * nothing if the generation is no longer current: two loops that share a session must not abort each other's new one.
   */
  reset(endpoint: Endpoint, generation: number): void;
  /**
   * Sets the one listener for sessions whose open connection was lost, whichever side closed it. The next connection
   * may lead to another etcd, or to an older store.
   */
  onLost(listener: (endpoint: Endpoint) => void): void;
  /** Closes all sessions. Never rejects. */
  close(): Promise<void>;
}

/** What a driver can do. */
export interface DriverCapabilities {
  /** Whether a stream of watches can be asked for progress, which tells a dead stream from a quiet one. */
  readonly progress: boolean;
  /** How many watches a stream can carry. Undefined: any number. */
  readonly watchesPerStream?: number;
  /** How long a stream may live before it is reopened, in milliseconds. Undefined: without limit. */
  readonly maxStreamMs?: number;
}

/** The context of one attempt: its endpoint, its token, and the signal that ends it. */
export interface AttemptContext {
  readonly endpoint: Endpoint;
  readonly signal: AbortSignal;
  /** The token of an authenticated user. */
  readonly token?: string | undefined;
  /** When its answer is needed, in milliseconds of the clock: it doesn't wait for a backoff that ends too late. */
  readonly neededByMs?: number | undefined;
}

/**
 * - `transient`: nothing is known; try elsewhere. Anything that is not one of the others.
 * - `lease-gone`: the server reports that the lease does not exist.
 * - `lease-exists`: the server reports that a lease with this id already exists.
 * - `token`: the token is missing, unknown or outdated: authenticate and try again.
 * - `auth-disabled`: a password was sent to an etcd without authentication.
 * - `refused`: wrong name or password, or no permission. It takes a person to fix that.
 */
export type FailureKind = "transient" | "lease-gone" | "lease-exists" | "token" | "auth-disabled" | "refused";

/** The header of every etcd response. */
export interface ResponseHeader {
  /** 0: the header was made up by a proxy and is not the cluster's. */
  readonly clusterId: bigint;
  readonly revision: bigint;
  readonly raftTerm: bigint;
}

/** One key of etcd's store. */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  /** The lease that the key is attached to; 0 if there is none. */
  readonly lease: bigint;
}

/** Which keys to read. */
export interface RangeRequest {
  readonly key: Uint8Array;
  /** The first key after the range. Undefined: `key` alone. */
  readonly rangeEnd?: Uint8Array;
  /** The maximum number of keys to return, from the first one on. Defaults to all. */
  readonly limit?: bigint;
}

/** The keys that were read, and the revision at which they were read. */
export interface RangeResponse {
  readonly header: ResponseHeader;
  readonly kvs: readonly KeyValue[];
  /** There are more keys than the limit. */
  readonly more: boolean;
}

/** A transaction: if all compares hold, `success` is executed, otherwise `failure`. */
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly TxnOperation[];
  readonly failure: readonly TxnOperation[];
}

/** Holds if the key's field equals the value. `version` 0: the key does not exist. */
export interface Compare {
  readonly target: "version" | "lease";
  readonly key: Uint8Array;
  readonly value: bigint;
}

/** A write or a read within a transaction. */
export type TxnOperation =
  | { readonly put: { readonly key: Uint8Array; readonly value: Uint8Array; readonly lease: bigint } }
  | { readonly range: RangeRequest };

/** The result of a transaction, with the keys that its reads returned, in order. */
export interface TxnResponse {
  readonly header: ResponseHeader;
  readonly succeeded: boolean;
  readonly kvs: readonly KeyValue[];
}

/** A lease to be granted. */
export interface LeaseGrantRequest {
  readonly id: bigint;
  readonly ttlSeconds: bigint;
}

/** Which lease to look at. */
export interface LeaseTimeToLiveRequest {
  readonly id: bigint;
  /** Whether to return its keys as well, which requires permission to read them. Defaults to false. */
  readonly keys?: boolean;
}

/** The remaining time of a lease. */
export interface LeaseTimeToLive {
  /** Whole seconds until it expires, rounded down, unless it is kept alive. */
  readonly ttlSeconds: bigint;
  /** The TTL that it was granted with, and that each keepalive restores. */
  readonly grantedSeconds: bigint;
  /** The keys attached to it; empty if they were not requested. */
  readonly keys: readonly Uint8Array[];
}

/** The status of an etcd member, as the member sees it. */
export interface EtcdStatus {
  readonly header: ResponseHeader;
  /** etcd's version, such as "3.4.23". */
  readonly version: string;
  readonly memberId: bigint;
  /** The member that it considers the leader; 0: it knows none, so it can't serve linearizable reads or writes. */
  readonly leaderId: bigint;
  /** The size of its database on disk. */
  readonly dbSizeBytes: bigint;
  readonly raftIndex: bigint;
}

/** A watch to create. The driver also asks for fragments and for progress notifications. */
export interface WatchRequest {
  /** The id that its responses should carry, above 0. A server that doesn't support chosen ids picks another. */
  readonly watchId: bigint;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly startRevision: bigint;
}

/** A stream of watches. Requests sent before it is open are queued; those sent after its end are dropped. */
export interface WatchStream {
  /** The server's responses, in order. Throws when the stream fails; ends when the server ends it. */
  readonly responses: AsyncIterable<WatchResponse>;
  /** Creates a watch. The server answers with a response with `created`. */
  create(request: WatchRequest): void;
  /** Cancels a watch by the id of its responses. The server answers with `canceled` if the watch exists. */
  cancel(watchId: bigint): void;
  /** Requests the stream's progress, as a sign of life. Does nothing if the driver can't. */
  requestProgress(): void;
}

/** One message of a stream of watches. */
export interface WatchResponse {
  readonly header: ResponseHeader;
  /** The watch it belongs to; -1: the whole stream (an answer to a progress request), or a watch that was refused. */
  readonly watchId: bigint;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Above 0: the start revision was compacted; this is the oldest one that can be watched from. */
  readonly compactRevision: bigint;
  readonly cancelReason: string;
  /** More events of the same response follow in the next message. */
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

/** A change of a key. A deleted key comes without its value. */
export interface WatchEvent {
  readonly type: "put" | "delete";
  readonly kv: KeyValue;
}
