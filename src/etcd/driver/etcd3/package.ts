/**
 * The part of the `etcd3` package (1.1) that the driver uses, as types of our own. Nothing here imports the package:
 * its class comes from the user, so that programs that don't use it neither install nor bundle it.
 */

/** The package's class `Etcd3`. */
export type Etcd3Class = new (options: never) => Etcd3Client;

/** An instance of the package's class `Etcd3`. */
export interface Etcd3Client {
  readonly kv: object;
  readonly leaseClient: object;
  readonly watchClient: object;
  close(): void;
}

/** What the driver creates its clients with. */
export interface RawClientOptions {
  readonly hosts: string;
  readonly credentials?: unknown;
  readonly grpcOptions: Readonly<Record<string, unknown>>;
  readonly faultHandling: {
    readonly global: Policy;
    host(hostname: string): Policy;
  };
}

/** What the package runs its calls through. */
export interface Policy {
  execute(attempt: () => unknown): Promise<unknown>;
}

/** The package's raw clients: etcd's services, with the names of etcd's .proto files and int64 as strings. */
export interface RawClient extends Etcd3Client {
  readonly kv: {
    range(request: RawRangeRequest, options: CallOptions): Promise<RawRangeResponse>;
    txn(request: RawTxnRequest, options: CallOptions): Promise<RawTxnResponse>;
  };
  readonly leaseClient: {
    leaseGrant(request: { ID: string; TTL: string }, options: CallOptions): Promise<{ TTL: string }>;
    leaseRevoke(request: { ID: string }, options: CallOptions): Promise<unknown>;
    leaseTimeToLive(request: { ID: string; keys: boolean }, options: CallOptions): Promise<RawTimeToLive>;
    leaseKeepAlive(options: CallOptions): Promise<RawStream<{ ID: string }>>;
  };
  readonly watchClient: {
    watch(options: CallOptions): Promise<RawStream<RawWatchRequest>>;
  };
  readonly maintenance: {
    status(options: CallOptions): Promise<RawStatus>;
  };
  readonly auth: {
    authenticate(user: { name: string; password: string }, options: CallOptions): Promise<{ token: string }>;
  };
}

/** A stream of grpc-js, which is Node's. */
export interface RawStream<Request> {
  write(request: Request): unknown;
  end(): unknown;
}

export interface RawHeader {
  readonly cluster_id: string;
  readonly member_id: string;
  readonly revision: string;
  readonly raft_term: string;
}

export interface RawKeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly lease: string;
}

export interface RawRangeRequest {
  readonly key: Uint8Array;
  readonly range_end?: Uint8Array;
  readonly limit?: string;
}

export interface RawRangeResponse {
  readonly header: RawHeader | null;
  readonly kvs: readonly RawKeyValue[];
  readonly more: boolean;
}

export interface RawCompare {
  readonly result: "Equal";
  readonly key: Uint8Array;
  readonly target: "Version" | "Lease";
  readonly version?: string;
  readonly lease?: string;
}

export interface RawOperation {
  readonly request_range?: RawRangeRequest;
  readonly request_put?: { readonly key: Uint8Array; readonly value: Uint8Array; readonly lease: string };
}

export interface RawTxnRequest {
  readonly compare: readonly RawCompare[];
  readonly success: readonly RawOperation[];
  readonly failure: readonly RawOperation[];
}

export interface RawTxnResponse {
  readonly header: RawHeader | null;
  readonly succeeded: boolean;
  readonly responses: readonly { readonly response_range?: RawRangeResponse | null }[];
}

export interface RawTimeToLive {
  readonly TTL: string;
  readonly grantedTTL: string;
  readonly keys: readonly Uint8Array[];
}

export interface RawStatus {
  readonly header: RawHeader | null;
  readonly version: string;
  readonly dbSize: string;
  readonly leader: string;
  readonly raftIndex: string;
}

export interface RawWatchRequest {
  readonly create_request?: {
    readonly watch_id: string;
    readonly key: Uint8Array;
    readonly range_end: Uint8Array;
    readonly start_revision: string;
    readonly progress_notify: boolean;
    readonly fragment: boolean;
  };
  readonly cancel_request?: { readonly watch_id: string };
  readonly progress_request?: object;
}

export interface RawWatchResponse {
  readonly header: RawHeader | null;
  readonly watch_id: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: string;
  readonly cancel_reason: string;
  readonly fragment: boolean;
  readonly events: readonly RawEvent[];
}

export interface RawEvent {
  readonly type: "Put" | "Delete";
  readonly kv: RawKeyValue | null;
}

/** What the raw clients take besides the request: grpc-js's call options. */
export interface CallOptions {
  readonly interceptors: ((options: object, nextCall: (options: object) => Call) => Call)[];
}

/** A call of grpc-js, as an interceptor sees it. */
export interface Call {
  start(metadata: { set(key: string, value: string): void }, listener?: Listener): void;
  cancelWithStatus(code: number, details: string): void;
}

export interface Listener {
  onReceiveStatus?(status: Status): void;
}

export interface Status {
  readonly code: number;
  readonly details: string;
}
