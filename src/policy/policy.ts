import type { DescMethod } from "@bufbuild/protobuf";
import type { ContextValues } from "@connectrpc/connect";
import type { Connection, Outcome } from "../connection/connection.ts";

/**
 * Builds a picker from the connections of the set, in address order. Called whenever the set or a state changed, at most
 * every 20 ms; `previous` is the picker that this one replaces, so that a policy can go on where it was.
 *
 * A policy opens the connections that it wants: they begin idle (gRPC's load-balancing policies do the same).
 */
export type Policy = (
  connections: readonly Connection[],
  previous: Picker | undefined,
  env: PolicyEnvironment,
) => Picker;

/** Where a policy takes time and chance from, so that tests can give both. */
export interface PolicyEnvironment {
  /** Milliseconds on a monotonic scale. */
  now(): number;
  /** A number from 0 up to, but not including, 1. */
  random(): number;
}

/** Chooses a connection for each call. */
export interface Picker {
  /**
   * An available connection that the call does not exclude; `"wait"`: there is none now, but one may come, or have room
   * again; an Error: all are failing (a call that does not wait for readiness fails with it).
   */
  pick(call: CallInfo): Connection | "wait" | Error;
  /** An attempt that this picker, or one before it, gave to `connection` has ended. */
  done?(connection: Connection, outcome: Outcome): void;
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
