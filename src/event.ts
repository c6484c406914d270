import type { ConnectivityState } from "./connectivity.ts";
import type { Endpoint } from "./endpoint.ts";

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
  /** A connection changed its state. */
  | {
    readonly type: "connection-state";
    readonly target: string;
    readonly endpoint: Endpoint;
    readonly from: ConnectivityState;
    readonly to: ConnectivityState;
    readonly cause?: Error;
  };

/** What a registry tells its `onEvent` listener. */
export type RegistryEvent =
  /** The service's key stands in the registry; `again` if it had been lost. */
  | {
    readonly type: "registered";
    readonly service: string;
    readonly address: string;
    readonly key: string;
    readonly again: boolean;
  }
  /** Nothing succeeded for a TTL: the lease may be gone, only the server knows. */
  | { readonly type: "registration-suspect"; readonly service: string; readonly address: string; readonly cause: Error }
  /** The server said that the lease is gone; it registers again at once. */
  | { readonly type: "lease-lost"; readonly service: string; readonly address: string; readonly cause: Error }
  /** The key was gone although its lease stood (deleted by someone else); it is there again. */
  | { readonly type: "key-missing"; readonly service: string; readonly address: string; readonly cause: Error }
  /** Another program wrote the key: the last writer stands, and this one takes it back once the other is gone. */
  | { readonly type: "key-taken"; readonly service: string; readonly address: string; readonly cause: Error }
  /** A try to register failed; it goes on trying. */
  | {
    readonly type: "registration-failed";
    readonly service: string;
    readonly address: string;
    readonly cause: Error;
    readonly retryInMs: number;
  }
  /** A watch had to begin anew. */
  | { readonly type: "watch-restarted"; readonly service: string; readonly cause: Error; readonly retryInMs: number }
  /** The registry can't be reached: the last set stays in use. */
  | { readonly type: "set-stale"; readonly service: string; readonly cause: Error }
  /** The registry is back. */
  | { readonly type: "set-fresh"; readonly service: string; readonly endpoints: number }
  /** An entry of the registry can't be read and is left out of the set. */
  | { readonly type: "value-skipped"; readonly service: string; readonly key: string; readonly cause: Error }
  /** The registry refused the user's name, password or permission; retried slowly. */
  | { readonly type: "auth-refused"; readonly service?: string; readonly cause: Error; readonly retryInMs: number };

/**
 * Calls a listener so that what it throws can't reach the library's own loops; such an error is printed instead.
 *
 * So that `onEvent: console.log` reads well, an event prints the message of its `cause` as `reason`, and not the error
 * itself with all its stacks; the error is there to be read.
 */
export function emit<E extends object>(listener: ((event: E) => void) | undefined, event: E): void {
  if (listener === undefined) return;
  const { cause, ...told } = event as E & { readonly cause?: Error };
  if (cause !== undefined) {
    Object.assign(told, { reason: cause.message });
    Object.defineProperty(told, "cause", { value: cause, enumerable: false });
  }
  notify("onEvent", listener, told as unknown as E);
}

/** Calls a user's listener. What it throws, or an async one rejects with, is printed and does no harm. */
export function notify<T>(name: string, listener: (value: T) => unknown, value: T): void {
  const print = (error: unknown) => console.error(`connect-lb: an ${name} listener threw`, error);
  try {
    const result = listener(value);
    if (result instanceof Promise) result.catch(print);
  } catch (error) {
    print(error);
  }
}
