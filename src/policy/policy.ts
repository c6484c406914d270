import type { DescMethod } from "@bufbuild/protobuf";
import type { ContextValues } from "@connectrpc/connect";
import type { Connection, Outcome } from "../connection/connection.ts";
import type { Timer } from "../time/clock.ts";

/**
 * A load-balancing policy: builds a picker from the connections of the set, in address order. It is called whenever the
 * set or a state changed, and when it asked for it (`env.update`), at most every 20 ms; `previous` is the picker that the
 * new one replaces, so that a policy can go on where it was.
 *
 * To write one: open the connections that you want (they begin idle, as in gRPC), keep those that may serve, and return a
 * picker whose `pick` chooses among them those that are `available` now. `round-robin.ts` is the example. Options make a
 * function that returns the policy: `roundRobin()`. One policy may serve several transports, so that what it knows
 * belongs into its pickers, or by connection into a WeakMap.
 *
 * A policy can decorate another: give it fewer connections, or other ones in their place (`view`); give its picker a call
 * that excludes some (`excluding`); and pass `done` and `close` on.
 */
export type Policy = (
  connections: readonly Connection[],
  previous: Picker | undefined,
  env: PolicyEnvironment,
) => Picker;

/** What a policy has of the transport that it serves: the same object for as long as that lives. */
export interface PolicyEnvironment {
  /** Milliseconds on a monotonic scale. */
  now(): number;
  /** A number from 0 up to, but not including, 1. */
  random(): number;
  /**
   * Asks for a new picker: the policy is called again soon, once for all that changed within 20 ms. It may be called at
   * any time, also in `pick` and `done`. While the transport is idle, it does nothing.
   */
  update(): void;
  /**
   * Runs `callback` once after `delayMs` milliseconds, unless it is cancelled or the transport is closed before. It does
   * not keep the process alive. What `callback` throws is printed and does no harm.
   */
  timer(delayMs: number, callback: () => void): Timer;
}

/** Chooses a connection for each call. */
export interface Picker {
  /**
   * An available connection that the call does not exclude, perhaps with metadata for the request ({@link PickResult});
   * `"wait"`: there is none now, but one may come, or have room again; an Error: all are failing (a call that does not
   * wait for readiness fails with it). An Error that `drop` has marked fails the call in any case.
   */
  pick(call: CallInfo): Connection | PickResult | "wait" | Error;
  /**
   * An attempt that this picker, or one before it, gave to `connection` (the object that it picked) has ended. `call` is
   * the one that `pick` was given.
   */
  done?(connection: Connection, outcome: Outcome, call: CallInfo): void;
  /** The transport was closed, and this was its last picker. */
  close?(): void;
}

/** A connection for a call, and what the picker has to say to its server. */
export interface PickResult {
  readonly connection: Connection;
  /** Is added to the request's headers, for this attempt alone; gRPC's `PickResult.Metadata`. */
  readonly header?: HeadersInit;
}

/** What a picker may know of a call. */
export interface CallInfo {
  readonly method: DescMethod;
  /** The request headers; made when read. */
  readonly header: Headers;
  readonly contextValues: ContextValues;
  /** Whether an earlier attempt of this call failed on that connection, so that it should go elsewhere. */
  excluded(connection: Connection): boolean;
}

/**
 * What a picker without an available connection says: an Error when all fail, `"wait"` while one is on its way. A
 * connection that failed counts as failing until it is ready again, also while it tries (gRFC A62).
 */
export function unavailable(connections: readonly Connection[]): "wait" | Error {
  if (connections.some((connection) => connection.failure === undefined)) return "wait";
  return new Error(connections.length === 0 ? "there are no endpoints" : "every endpoint is failing");
}
