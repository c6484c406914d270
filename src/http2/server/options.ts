import { bytes, type Checks, milliseconds, millisecondsFrom0, wholeNumber } from "../../option.ts";
import type { EndpointOptions } from "../endpoint.ts";
import type { KeepaliveOptions } from "../keepalive.ts";
import type { ScheduleFlush } from "../wire/frame-writer.ts";
import type { HeaderBlock } from "../wire/header-block.ts";
import type { BufferedBytes } from "./buffered-bytes.ts";
import type { Peer } from "./peer.ts";
import type { RefusedCounter } from "./refused.ts";
import type { Rounds } from "./rounds.ts";
import type { ServerStream } from "./stream.ts";
import type { Sweeper } from "./sweeper.ts";

/** How long a server's connections, and what they carry, may last. With gRPC's meanings where gRPC has the option. */
export interface ConnectionTimes {
  /**
   * How long a new connection may take to become one of HTTP/2, with its TLS handshake, in milliseconds. Defaults to
   * 10,000 (grpc-go's `ConnectionTimeout`).
   */
  handshakeTimeoutMs?: number | undefined;
  /**
   * How long a request may take to arrive as a whole, in milliseconds; those of client streaming and bidirectional
   * methods may take longer. Also how long a finished response may wait for a client that takes nothing of it. Defaults
   * to 60,000.
   */
  requestTimeoutMs?: number | undefined;
  /**
   * A connection without calls for this long is closed gracefully, in milliseconds. Defaults to no limit (gRPC's
   * `MAX_CONNECTION_IDLE`).
   */
  maxConnectionIdleMs?: number | undefined;
  /**
   * A connection as old as this, give or take 10 % at random, is closed gracefully, so that clients spread over servers
   * anew, in milliseconds. Defaults to no limit (gRPC's `MAX_CONNECTION_AGE`).
   */
  maxConnectionAgeMs?: number | undefined;
  /**
   * How long calls may go on after that, in milliseconds. Defaults to no limit (gRPC's `MAX_CONNECTION_AGE_GRACE`).
   */
  maxConnectionAgeGraceMs?: number | undefined;
}

/** The checks of {@link ConnectionTimes}. */
export const CONNECTION_TIMES: Checks<ConnectionTimes> = {
  handshakeTimeoutMs: milliseconds,
  requestTimeoutMs: milliseconds,
  maxConnectionIdleMs: milliseconds,
  maxConnectionAgeMs: milliseconds,
  maxConnectionAgeGraceMs: millisecondsFrom0,
};

/** What a server allows its clients. */
export interface ConnectionLimits {
  /**
   * How many calls a client may have open on one connection (SETTINGS_MAX_CONCURRENT_STREAMS); those above are refused,
   * which a gRPC client retries. Defaults to 1,000.
   */
  maxConcurrentStreams?: number | undefined;
  /**
   * How many bytes of unfinished requests the server holds, over all connections. A request beyond fails with
   * ResourceExhausted, so a `readMaxBytes` above this needs a larger value here, too. Defaults to 64 MiB.
   */
  maxBufferedBytes?: number | undefined;
}

/** The checks of {@link ConnectionLimits}. */
export const CONNECTION_LIMITS: Checks<ConnectionLimits> = {
  maxConcurrentStreams: wholeNumber(1, 0x7fff_ffff),
  maxBufferedBytes: bytes(1),
};

/** What clients' PINGs are allowed (gRFC A8). */
export interface KeepaliveEnforcement {
  /**
   * How far apart a client's PINGs must be while nothing is sent to it, in milliseconds. A client that pings more often
   * loses its connection (GOAWAY with ENHANCE_YOUR_CALM and `too_many_pings`). Defaults to 10,000; 0 allows all that is
   * no flood.
   */
  minPingIntervalMs?: number | undefined;
  /** Whether clients may ping while they have no calls (A8's `permit_without_stream`). Defaults to true. */
  pingsWithoutCalls?: boolean | undefined;
}

/** Options of a {@link ServerConnection}. */
export interface ServerConnectionOptions extends EndpointOptions {
  /** Makes the stream of a request. The block's `memo` is the protocol's; with `tooLarge`, it has no fields. */
  readonly accept: (head: HeaderBlock) => ServerStream;
  readonly client?: Peer | undefined;
  /** Shared by the connections of a server, which take turns. */
  readonly rounds?: Rounds | undefined;
  /** Schedules flushes while responses are streamed. Defaults to `scheduleFlush`. */
  readonly scheduleStreamFlush?: ScheduleFlush | undefined;
  readonly times?: ConnectionTimes | undefined;
  /** For the jitter of `maxConnectionAgeMs`. Defaults to `Math.random`. */
  readonly random?: (() => number) | undefined;
  readonly maxConcurrentStreams?: number | undefined;
  /** How many requests the client may reset in ten seconds, unless most others are answered. Defaults to 10,000. */
  readonly maxResets?: number | undefined;
  /** Shared by the connections of a server. */
  readonly buffered?: BufferedBytes | undefined;
  /** Counts what is refused; shared by the connections of a server. */
  readonly refused?: RefusedCounter | undefined;
  /** Shared by the connections of a server. */
  readonly sweeper?: Sweeper | undefined;
  /** PINGs when the client is silent. */
  readonly keepalive?: KeepaliveOptions | undefined;
  readonly enforcement?: KeepaliveEnforcement | undefined;
}

/** What a connection reports to its owner. */
export interface ServerConnectionEvents {
  /** The connection ended; called once. Without a cause, its client left or it was drained. */
  closed?(cause?: Error): void;
  /** The connection ends because of an error in the protocol above it, which no stream should throw. */
  failed?(error: Error): void;
}
