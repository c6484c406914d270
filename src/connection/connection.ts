/**
 * A connection as policies see it, and what they learn of the attempts that they sent to it. What stands behind it is an
 * `EndpointConnection` (`endpoint-connection.ts`), one for each endpoint of the pool (`pool.ts`).
 *
 * @module
 */
import type { Code } from "@connectrpc/connect";
import type { ConnectivityState } from "../connectivity.ts";
import type { Endpoint } from "../endpoint.ts";
import type { AttemptEnd } from "./mark.ts";

/** One endpoint's place in the pool, as policies and users see it; gRPC's subchannel. */
export interface Connection {
  /** Its newest attributes; its identity never changes. */
  readonly endpoint: Endpoint;
  readonly state: ConnectivityState;
  /**
   * Ready, its server has room for a call, and it is not held back: a picker may give it one. It may change between
   * pickers: no picker is built when a server gets full or has room again.
   */
  readonly available: boolean;
  /** Attempts that have begun and not ended, streams included. */
  readonly inFlight: number;
  /** Why it could not be opened the last time, cleared when it is ready; or why a health check holds it back. Such a
   * connection counts as failing while it tries again (gRFC A62's sticky TRANSIENT_FAILURE). */
  readonly failure: Error | undefined;
  /** Opens an idle connection; does nothing in the other states. */
  connect(): void;
}

/**
 * What health checks say of a connection that is ready: calls may go to it; nothing is known yet, so that it is held back
 * and calls may wait for it; or why it is held back, so that it counts as failing.
 */
export type Health = "serving" | "unknown" | Error;

/** How an attempt ended, for pickers that learn from it. */
export interface Outcome {
  readonly end: AttemptEnd;
  /** The error's code; undefined for success. */
  readonly code?: Code;
  /** From the attempt's beginning to its end, in milliseconds; of a stream, its whole life. */
  readonly latencyMs: number;
  /**
   * From the attempt's beginning until the server began to answer, in milliseconds: a stream's response headers, or the
   * whole answer of a unary call. Undefined if it never did.
   */
  readonly headerMs: number | undefined;
  /** The response's trailers, such as a load report; of a failed attempt, its error's metadata. Made when read. */
  readonly trailer: Headers;
}
