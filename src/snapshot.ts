// What snapshots of clients and of servers have in common.

/** How many calls there were. Those that neither succeeded nor failed are in flight. */
export interface CallCounts {
  /** Calls ever begun. */
  readonly started: number;
  /** Calls that ended without an error. */
  readonly succeeded: number;
  /** Calls that ended with one, cancelled ones included. */
  readonly failed: number;
}

/** How many calls a client made. Those that neither succeeded, failed nor were abandoned are in flight. */
export interface ClientCallCounts extends CallCounts {
  /** Calls that ended with an error, other than those that were abandoned. */
  readonly failed: number;
  /** Calls that their callers aborted, or streams that they stopped reading: that says nothing about the servers. */
  readonly abandoned: number;
}

/** {@link CallCounts} that go on counting. */
export interface CallCounter {
  started: number;
  succeeded: number;
  failed: number;
}

/** {@link ClientCallCounts} that go on counting. */
export interface ClientCallCounter extends CallCounter {
  abandoned: number;
}

/** Counts from 0. */
export function newCounter(): CallCounter {
  return { started: 0, succeeded: 0, failed: 0 };
}

/** Counts a client's calls from 0. */
export function newClientCounter(): ClientCallCounter {
  return { started: 0, succeeded: 0, failed: 0, abandoned: 0 };
}

/** How many streams a connection of HTTP/2 has had. Each call is one. */
export interface StreamCounts extends CallCounts {
  /** Streams that have begun and not ended. */
  readonly inFlight: number;
}

/** What is known of a socket. */
export interface SocketInfo {
  /** Its own address: `10.0.0.7:50123` or `[2001:db8::1]:50123`. Undefined if unknown. */
  readonly local: string | undefined;
  /** The other end's address. Undefined if unknown. */
  readonly remote: string | undefined;
  /** Whether it is encrypted. Undefined if unknown. */
  readonly secure: boolean | undefined;
  /** TLS's cipher suite by its standard name, such as `TLS_AES_128_GCM_SHA256`. Undefined without TLS, or if unknown. */
  readonly cipher: string | undefined;
}

/** The state of one connection between a client and a server at one moment. gRPC's channelz calls it a socket. */
export interface SocketSnapshot extends SocketInfo {
  /** A number that nothing else in this process has. */
  readonly id: number;
  /** What it carries. */
  readonly protocol: "h2" | "http/1.1";
  /** Since when it is open, on the snapshot's scale of time. */
  readonly sinceMs: number;
  /** Whether it takes no new calls and ends with its last one. */
  readonly draining: boolean;
  /** Undefined for HTTP/1.1. */
  readonly streams: StreamCounts | undefined;
  /** How many keepalive PINGs were sent. */
  readonly pings: number;
  /** How many bytes may be sent now, as the other end allows for all streams together. Undefined for HTTP/1.1. */
  readonly sendWindowBytes: number | undefined;
  /** How many bytes the other end may send now, for all streams together. Undefined for HTTP/1.1. */
  readonly receiveWindowBytes: number | undefined;
}

let ids = 0;

/** A number that nothing else has which snapshots show of this process. */
export function nextId(): number {
  return ++ids;
}
