import type { DescMethod } from "@bufbuild/protobuf";
import type { ContextValues, Transport } from "@connectrpc/connect";
import type { Connection, Outcome } from "../connection/connection.ts";
import type { Timer } from "../time/clock.ts";

/**
 * A load-balancing policy: builds a picker from the connections of the set, in address order. It is called whenever the
 * set or a state has changed, and when it asks for it (`env.update`), at most every 20 ms; `previous` is the picker
 * that the new one replaces, so that a policy can continue where it left off.
 *
 * To write one: open the connections that you want (they start idle, as in gRPC), keep those that may serve, and return
 * a picker whose `pick` chooses among those that are `available` now. `round-robin.ts` is the example. To take options,
 * write a function that returns the policy: `roundRobin()`. One policy may serve several transports, so keep its state
 * in its pickers, or by connection in a WeakMap.
 *
 * A policy can decorate another: pass it fewer connections, or views in their place (`view`); pass its picker a call
 * that excludes some (`excluding`); and forward `done`, `describe` and `close`.
 */
export type Policy = (
  connections: readonly Connection[],
  previous: Picker | undefined,
  env: PolicyEnvironment,
) => Picker;

/** What a transport provides to its policy: the same object for the transport's whole life. */
export interface PolicyEnvironment {
  /** Milliseconds on a monotonic scale. */
  now(): number;
  /** A random number in [0, 1). */
  random(): number;
  /**
   * Requests a new picker: the policy is called again soon, once for all changes within 20 ms. It may be called at any
   * time, including in `pick` and `done`. While the transport is idle, it does nothing.
   */
  update(): void;
  /**
   * Runs `callback` once after `delayMs` milliseconds, unless it is cancelled or the transport is closed first. It does
   * not keep the process alive. Errors that `callback` throws are printed and otherwise ignored.
   */
  timer(delayMs: number, callback: () => void): Timer;
  /**
   * A transport for calls of the policy's own to the server of a connection (of a view: of the connection behind it),
   * such as probes and the streams of load reports. Undefined unless the connection is ready.
   *
   * Such calls go to that server alone and are not attempts: they are not retried, not counted in `inFlight`, and not
   * reported to pickers and observers. They do not keep the process alive, where the link can tell them from others
   * (those of `grpcConnector` can), and end with Unavailable when the connection begins to drain, is lost or removed
   * from the set, or the transport is closed. A stream may end while the connection stays ready, because its link
   * replaced an aged one: open it again, after a pause. A call that finds all the streams in use that the server allows
   * fails with Unavailable.
   *
   * Where calls belong to requests (`createPullTransport` in a Worker), a call made in `pick` belongs to that request
   * and may never settle once it has ended; and links that take their sockets from a request fail such calls.
   */
  transport(connection: Connection): Transport | undefined;
  /**
   * Reports weights that follow from load reports, whenever they were computed anew: to observers of the transport that
   * have `weightsUpdated`, for metrics (gRFC A78). Undefined as long as there are none: then there is no need to count.
   */
  readonly reportWeights?: ((weights: ReportedWeights) => void) | undefined;
}

/** The weights of the endpoints that are ready, as a policy has just computed them from load reports. */
export interface ReportedWeights {
  /** One for each endpoint; 0 for those without a usable weight. */
  readonly weights: readonly number[];
  /** How many endpoints have no usable weight yet: no report, or only reports of their first time (the blackout period). */
  readonly notYetUsable: number;
  /** How many endpoints have no usable weight because their last report is too old. */
  readonly stale: number;
  /** Whether too few weights are usable, so that the policy falls back to round robin. */
  readonly fallback: boolean;
}

/** Chooses a connection for each call. */
export interface Picker {
  /**
   * An available connection that the call does not exclude, perhaps with metadata for the request ({@link PickResult});
   * `"wait"`: none is available now, but one may become ready or have room again; an Error: all are failing (a call
   * that does not wait for readiness fails with it). An Error marked by `drop` fails the call in any case.
   */
  pick(call: CallInfo): Connection | PickResult | "wait" | Error;
  /**
   * An attempt on `connection` (the object that was picked) has ended; this picker or one of its predecessors picked
   * it. `call` is the one that was passed to `pick`.
   */
  done?(connection: Connection, outcome: Outcome, call: CallInfo): void;
  /**
   * What it knows about a connection, for `snapshot()`: the weight in use, the last probe, its share. It is called with
   * the pool's connection, or with a view of it by a policy that decorates this one.
   */
  describe?(connection: Connection): PolicySnapshot | undefined;
  /**
   * A connection is wanted ahead of the next call (`transport.connect()`): a policy that leaves all of them idle until
   * there is a call opens one. gRPC's `ExitIdle`.
   */
  exitIdle?(): void;
  /** The transport was closed, and this was its last picker. `done` of attempts that are in flight may follow. */
  close?(): void;
}

/** What a picker knows about a connection: plain values under stable names, for people and JSON. */
export type PolicySnapshot = Readonly<Record<string, number | string | boolean | undefined>>;

/** A connection for a call, with metadata for its server. */
export interface PickResult {
  /** Where the call goes: a connection that the policy was given, or a view of one. */
  readonly connection: Connection;
  /** Added to the request headers of this attempt only; gRPC's `PickResult.Metadata`. */
  readonly header?: HeadersInit;
}

/** What a picker sees of a call. */
export interface CallInfo {
  /** What is called; `method.parent.typeName` is the service. */
  readonly method: DescMethod;
  /** The request headers; created when read. */
  readonly header: Headers;
  /** The call's context values. */
  readonly contextValues: ContextValues;
  /** The key by which policies that hash choose an endpoint: `balance({ hashKey })`. */
  readonly hashKey: string | undefined;
  /** Whether an earlier attempt of this call failed on that connection, so that it should go elsewhere. */
  excluded(connection: Connection): boolean;
}

/**
 * What a picker returns when no connection is available: an Error if all are failing, `"wait"` otherwise. A connection
 * that failed counts as failing until it is ready again, even while it reconnects (gRFC A62).
 */
export function unavailable(connections: readonly Connection[]): "wait" | Error {
  if (connections.some((connection) => connection.failure === undefined)) return "wait";
  return new Error(connections.length === 0 ? "there are no endpoints" : "every endpoint is failing");
}
