import type { ConnectivityState } from "../connectivity.ts";
import type { Endpoint } from "../endpoint.ts";

/** What a balanced transport reports to its `onEvent` listener. */
export type BalancerEvent =
  /** The set of endpoints changed. */
  | {
    readonly type: "endpoints-changed";
    readonly target: string;
    readonly added: readonly Endpoint[];
    readonly removed: readonly Endpoint[];
    readonly total: number;
  }
  /** The resolver yielded an invalid endpoint; it is skipped. `cause` says why. */
  | { readonly type: "endpoint-skipped"; readonly target: string; readonly endpoint: unknown; readonly cause: Error }
  /** The resolver yielded an invalid service config; the last valid one stays in use. `cause` says why. */
  | { readonly type: "config-skipped"; readonly target: string; readonly cause: Error }
  /** The policy threw, or returned no picker; the previous picker stays in use. */
  | { readonly type: "policy-failed"; readonly target: string; readonly cause: Error }
  /** The source of endpoints can't be reached; the last set stays in use. */
  | { readonly type: "endpoints-stale"; readonly target: string; readonly cause: Error }
  /** The source of endpoints can be reached again. */
  | { readonly type: "endpoints-fresh"; readonly target: string }
  /**
   * Health checks hold a ready connection back, or no longer do. `cause` says why if it counts as failing;
   * `ejectedForMs`, for how long if it is ejected because calls failed, and `ejectedBy`, by which rule.
   */
  | {
    readonly type: "connection-health";
    readonly target: string;
    readonly endpoint: Endpoint;
    readonly health: "serving" | "unknown" | "failing";
    readonly ejectedForMs?: number;
    readonly ejectedBy?: "success_rate" | "failure_percentage" | "consecutive_failures";
    readonly cause?: Error;
  }
  /**
   * An endpoint's calls fail so that it would be ejected, by this rule, and it is not, because as many are ejected as
   * `maxEjectionPercent` allows.
   */
  | {
    readonly type: "ejection-unenforced";
    readonly target: string;
    readonly endpoint: Endpoint;
    readonly rule: "success_rate" | "failure_percentage" | "consecutive_failures";
  }
  /**
   * A panic began: health checks would leave less than `panicShare` of the connections, or calls to all endpoints fail,
   * so calls go to all that are connected. Or it is over.
   */
  | { readonly type: "panic-changed"; readonly target: string; readonly panic: boolean }
  /**
   * A connection's state changed. `goaway`: it ends because its server sent a GOAWAY with this error code, such as
   * `NO_ERROR`.
   */
  | {
    readonly type: "connection-state";
    readonly target: string;
    readonly endpoint: Endpoint;
    readonly from: ConnectivityState;
    readonly to: ConnectivityState;
    readonly cause?: Error;
    readonly goaway?: string;
  };
