import type { ConnectivityState } from "../connectivity.ts";
import type { Endpoint } from "../endpoint.ts";

/** What a balanced transport tells its `onEvent` listener. */
export type BalancerEvent =
  /** The set of endpoints changed. */
  | {
    readonly type: "endpoints-changed";
    readonly target: string;
    readonly added: readonly Endpoint[];
    readonly removed: readonly Endpoint[];
    readonly total: number;
  }
  /** What a resolver gave as an endpoint is none, and is left out of the set; `cause` says why. */
  | { readonly type: "endpoint-skipped"; readonly target: string; readonly endpoint: unknown; readonly cause: Error }
  /** The policy threw, or returned no picker: the picker before it stays in use. */
  | { readonly type: "policy-failed"; readonly target: string; readonly cause: Error }
  /** The source of endpoints can't be reached: the last set stays in use. */
  | { readonly type: "endpoints-stale"; readonly target: string; readonly cause: Error }
  /** The source of endpoints is back. */
  | { readonly type: "endpoints-fresh"; readonly target: string }
  /** Health checks hold a ready connection back, or don't any more; `cause` says why if it counts as failing. */
  | {
    readonly type: "connection-health";
    readonly target: string;
    readonly endpoint: Endpoint;
    readonly health: "serving" | "unknown" | "failing";
    readonly cause?: Error;
  }
  /** A connection changed its state. */
  | {
    readonly type: "connection-state";
    readonly target: string;
    readonly endpoint: Endpoint;
    readonly from: ConnectivityState;
    readonly to: ConnectivityState;
    readonly cause?: Error;
  };
