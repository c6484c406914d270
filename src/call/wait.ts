import type { Clock } from "../time/clock.ts";
import type { Balancer } from "./balancer.ts";

/** A call that waits: for a connection, or before its next attempt. */
export interface PendingCall {
  /** The picker changed, or the transport was closed. It must not throw. */
  retry(): void;
}

/** What a wait looks at, and what it ends with. Each may throw: then the wait rejects. */
export interface Wait<T extends object> {
  readonly signal: AbortSignal | undefined;
  /** How long to wait at most, in milliseconds. */
  readonly limitMs: number;
  /** Looks at the start and whenever the picker has changed or the transport was closed; undefined: go on waiting. */
  poll(): T | undefined;
  /** The limit has passed. */
  expired(): T;
  /** The signal has aborted. */
  aborted(): T;
}

/**
 * Waits for something to come of a balancer. Every wait of a call goes through here: it is bounded, and one timer holds
 * the process while it lasts.
 */
export function waitFor<T extends object>(balancer: Balancer, clock: Clock, wait: Wait<T>): Promise<T> {
  const { signal, limitMs } = wait;
  return new Promise((resolve, reject) => {
    const look = (at: () => T | undefined) => {
      try {
        const found = at();
        if (found === undefined) return;
        end();
        resolve(found);
      } catch (error) {
        end();
        reject(error);
      }
    };
    const end = () => {
      balancer.forget(pending);
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
    };
    const onAbort = () => look(() => wait.aborted());
    const pending: PendingCall = { retry: () => look(() => wait.poll()) };
    const timer = clock.timer(limitMs, () => look(() => wait.expired()), true);
    signal?.addEventListener("abort", onAbort);
    balancer.await(pending);
    pending.retry();
  });
}
