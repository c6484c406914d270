import type { Endpoint } from "../../endpoint.ts";

/**
 * The thin etcd client under the etcd registry.
 *
 * A driver makes one attempt on one etcd endpoint and keeps the sessions to the endpoints, nothing else: timeouts,
 * retries, tokens and revisions are the registry's. It takes and returns plain objects, so that it can use generated
 * code, another etcd client or etcd's JSON gateway. etcd's numbers (revisions, lease ids) are bigints.
 *
 * To write one, implement each method as one request, end it when the context's signal aborts, send the context's token
 * as etcd's client does, and let errors through as they are: `classify` says later what they mean. `Sessions` keeps one
 * session for each endpoint, with the generations that `reset` needs. `connect/connect-driver.ts` is the example;
 * `createRegistryOver` makes a registry over a driver.
 */
export interface EtcdDriver {
  readonly capabilities: DriverCapabilities;
  /** KV.Range, linearizable: a key, or the keys from `key` up to but without `rangeEnd`. */
  range(request: RangeRequest, context: AttemptContext): Promise<RangeResponse>;
  /** KV.Txn. */
  txn(request: TxnRequest, context: AttemptContext): Promise<TxnResponse>;
  /** Lease.LeaseGrant with an id that the caller chose. Resolves to the TTL in seconds that etcd granted. */
  leaseGrant(request: LeaseGrantRequest, context: AttemptContext): Promise<bigint>;
  /**
   * Lease.LeaseKeepAlive, once. Resolves to the new TTL in seconds; 0 or less: the lease is gone. Asks for the leader.
   * The request side of its stream stays open until the answer is there: etcd's grpc-proxy takes its end for the end of
   * the stream.
   */
  leaseKeepAlive(id: bigint, context: AttemptContext): Promise<bigint>;
  /** Lease.LeaseRevoke. */
  leaseRevoke(id: bigint, context: AttemptContext): Promise<void>;
  /** Lease.LeaseTimeToLive: what is left of a lease. Undefined: etcd knows no such lease. */
  leaseTimeToLive(request: LeaseTimeToLiveRequest, context: AttemptContext): Promise<LeaseTimeToLive | undefined>;
  /**
   * Watch.Watch: a stream without a watch at first. Asks for the leader. It is opened when its responses are read, and
   * ends when the call's signal aborts.
   */
  watch(context: AttemptContext): WatchStream;
  /** Maintenance.Status: of the member at the context's endpoint, which may have lost its cluster. */
  status(context: AttemptContext): Promise<EtcdStatus>;
  /** Auth.Authenticate. Resolves to a token. Missing: the driver can't use passwords. */
  authenticate?(user: { name: string; password: string }, context: AttemptContext): Promise<string>;
  /** What an error of one of these methods means. */
  classify(error: unknown): FailureKind;
  /** Whether an error of `authenticate` says that it never left this side. Missing: it may have been sent. */
  unsent?(error: unknown): boolean;
  /** The number of the endpoint's session: read before an attempt, given to `reset` after it. It may count openings. */
  generation(endpoint: Endpoint): number;
  /**
   * Gives the endpoint's session up, because it does not answer: it takes no new calls and its watches end, while other
   * calls on it go on until they are answered or given up by their callers, who may have more patience. Does nothing if
   * it is not that generation any more: two loops that share a session must not abort each other's fresh one.
   */
  reset(endpoint: Endpoint, generation: number): void;
  /**
   * Tells its one listener of each session whose connection was open and is gone, whoever ended it. What is stored may
   * be another etcd's, or older, behind the next connection.
   */
  onLost(listener: (endpoint: Endpoint) => void): void;
  /** Ends all sessions. Never rejects. */
  close(): Promise<void>;
}

/** What a driver can do. */
export interface DriverCapabilities {
  /** Whether a stream of watches can be asked for its progress: that is how a dead one is told from a quiet one. */
  readonly progress: boolean;
  /** How many watches a stream can carry. Undefined: any number. */
  readonly watchesPerStream?: number;
  /** How long a stream may live, in milliseconds, before it is opened anew. Undefined: as long as it likes. */
  readonly maxStreamMs?: number;
}

/** The context of one attempt: where it goes, with which token, and what ends it. */
export interface AttemptContext {
  readonly endpoint: Endpoint;
  readonly signal: AbortSignal;
  /** The token of an authenticated user. */
  readonly token?: string | undefined;
}

/**
 * - `transient`: nothing is known; try again elsewhere. Whatever is not one of the others.
 * - `lease-gone`: the server says that there is no such lease.
 * - `lease-exists`: the server says that there is a lease with this id already.
 * - `token`: the token is missing, unknown or out of date: authenticate and try again.
 * - `auth-disabled`: a password was given to an etcd that asks for none.
 * - `refused`: wrong name or password, or no permission. Only a person can change that.
 */
export type FailureKind = "transient" | "lease-gone" | "lease-exists" | "token" | "auth-disabled" | "refused";

/** What every answer of etcd begins with. */
export interface ResponseHeader {
  /** 0: the header is not the cluster's, but was made up by a proxy. */
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
  /** The lease that the key hangs on; 0: none. */
  readonly lease: bigint;
}

/** Which keys to read. */
export interface RangeRequest {
  readonly key: Uint8Array;
  /** The first key that is out of the range. Undefined: `key` alone. */
  readonly rangeEnd?: Uint8Array;
  /** How many keys to give at most, the first ones. Defaults to all. */
  readonly limit?: bigint;
}

/** The keys that were read, and at which revision. */
export interface RangeResponse {
  readonly header: ResponseHeader;
  readonly kvs: readonly KeyValue[];
  /** There are more keys than the limit. */
  readonly more: boolean;
}

/** A transaction: if all compares hold, `success` is done, else `failure`. */
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly TxnOperation[];
  readonly failure: readonly TxnOperation[];
}

/** Holds if the key's field equals the value. `version` 0: there is no such key. */
export interface Compare {
  readonly target: "version" | "lease";
  readonly key: Uint8Array;
  readonly value: bigint;
}

/** A write or a read within a transaction. */
export type TxnOperation =
  | { readonly put: { readonly key: Uint8Array; readonly value: Uint8Array; readonly lease: bigint } }
  | { readonly range: RangeRequest };

/** What a transaction did, with the keys that its reads gave, in order. */
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
  /** Whether to give its keys, too, which a user then needs permission to read. Defaults to false. */
  readonly keys?: boolean;
}

/** What is left of a lease. */
export interface LeaseTimeToLive {
  /** Whole seconds until it expires, rounded down, unless it is kept alive. */
  readonly ttlSeconds: bigint;
  /** The TTL that it was granted with, and gets again with each keepalive. */
  readonly grantedSeconds: bigint;
  /** The keys that are attached to it; empty if they were not asked for. */
  readonly keys: readonly Uint8Array[];
}

/** A member of etcd, as it sees itself. */
export interface EtcdStatus {
  readonly header: ResponseHeader;
  /** etcd's version, such as "3.4.23". */
  readonly version: string;
  readonly memberId: bigint;
  /** The member that it takes for the leader; 0: it knows of none, so that it can't answer linearizable reads and writes. */
  readonly leaderId: bigint;
  /** The size of its database on disk. */
  readonly dbSizeBytes: bigint;
  readonly raftIndex: bigint;
}

/** A watch to be created; it asks for fragments and for progress notifications. */
export interface WatchRequest {
  /** The id that its responses are to carry, above 0. A server that doesn't know of chosen ids takes another. */
  readonly watchId: bigint;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly startRevision: bigint;
}

/** A stream of watches. What is sent on it before it is open waits; what is sent after its end is dropped. */
export interface WatchStream {
  /** What the server sends, in order. Throws when the stream fails; ends when the server ends it. */
  readonly responses: AsyncIterable<WatchResponse>;
  /** Creates a watch. It is answered by a response with `created`. */
  create(request: WatchRequest): void;
  /** Cancels a watch by the id of its responses. It is answered by a response with `canceled`, if there is such a watch. */
  cancel(watchId: bigint): void;
  /** Asks for the progress of the stream, as a sign of life. Does nothing where the driver can't. */
  requestProgress(): void;
}

/** One message of a stream of watches. */
export interface WatchResponse {
  readonly header: ResponseHeader;
  /** The watch that it is for; -1: all of the stream in answer to a progress request, or one that was refused. */
  readonly watchId: bigint;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Above 0: the start revision is gone; this is the oldest one that can be watched from. */
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
