/**
 * A connection as policies see it, and the outcomes of the attempts they sent to it. It is implemented by
 * `EndpointConnection` (`endpoint-connection.ts`), one per endpoint of the pool (`pool.ts`).
 *
 * @module
 */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Code } from "@connectrpc/connect";
import type { ConnectivityState } from "../connectivity.ts";
import type { Endpoint } from "../endpoint.ts";
import type { AttemptEnd } from "./mark.ts";

/** One endpoint's place in the pool, as policies and users see it; gRPC's subchannel. */
export interface Connection {
  /** The endpoint's newest attributes; its identity never changes. */
  readonly endpoint: Endpoint;
  /** Whether it is open, opening, or why not. */
  readonly state: ConnectivityState;
  /**
   * Whether a picker may give it a call: it is ready, its server has room, and it is not held back. This may change
   * between pickers: no picker is built when a server becomes full or has room again.
   */
  readonly available: boolean;
  /** Attempts that have begun and not ended, including streams. */
  readonly inFlight: number;
  /**
   * Why it last could not be opened, cleared when it is ready; or why a health check holds it back. Such a connection
   * counts as failing even while it reconnects (gRFC A62's sticky TRANSIENT_FAILURE).
   */
  readonly failure: Error | undefined;
  /** Its place in the resolver's list, from 0; a resolver may list first what it prefers. */
  readonly place: number;
  /**
   * The policy wants it: opens it if it is idle. Of policies that share their connections (`transport.withPolicy`),
   * each says so for itself, also of connections that are open.
   */
  connect(): void;
  /**
   * The policy does not want it any more: makes it idle if it is ready or being opened, unless another policy that
   * shares it wants it. It gets no further calls until `connect`; those in flight continue, as when the endpoint is
   * removed. Does nothing in the other states, and for a connection whose link has no states (fetch).
   */
  disconnect(): void;
}

/**
 * The health of a ready connection: calls may go to it; or nothing is known yet, so it is held back and calls may wait
 * for it; or the reason why it is held back and counts as failing.
 */
export type Health = "serving" | "unknown" | Error;

/** How an attempt ended, for pickers and health checks. */
export interface Outcome {
  /** What was called; `method.parent.typeName` is the service. */
  readonly method: DescMethod;
  /** How long the attempt was allowed to take, in milliseconds; undefined: any time. */
  readonly timeoutMs: number | undefined;
  /** How the attempt ended, as its link marked it. */
  readonly end: AttemptEnd;
  /**
   * The error's code; undefined for success. Internal for an attempt that made the server end its connection: that is
   * the request's fault.
   */
  readonly code?: Code | undefined;
  /**
   * Whether it ended because nobody wanted its answer any more: the caller aborted the call or stopped reading, or
   * another attempt was faster. Its end then says nothing about its server. A deadline that passed is another matter.
   */
  readonly abandoned: boolean;
  /** From the attempt's beginning to its end, in milliseconds; for a stream, its whole life. */
  readonly latencyMs: number;
  /**
   * From the attempt's beginning until the server began to answer, in milliseconds: until a stream's response headers,
   * or the complete answer of a unary call. Undefined if it never did.
   */
  readonly headerMs: number | undefined;
  /**
   * The response's trailers, for example with a load report; for a failed attempt, its error's metadata. Created when
   * read.
   */
  readonly trailer: Headers;
}

/** Hears of the attempts on all connections: the health checks of a transport. */
export interface OutcomeListener {
  /**
   * Whether it hears of every attempt. If not: of those that fail, and of a sample of those that succeed. Timing an
   * attempt costs a small call a few percent.
   */
  readonly hearsAll: boolean;
  /** An attempt has ended. If it was not timed, `latencyMs` is NaN, and so is `headerMs` if it was answered. */
  outcome(connection: Connection, outcome: Outcome): void;
}
