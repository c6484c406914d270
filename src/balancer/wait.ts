import type { Clock, Timer } from "../time/clock.ts";
import type { PendingCall, PickerSource } from "./picker-source.ts";

/** What a wait checks, and what it ends with. Each method may throw: then the wait rejects. */
export interface Wait<T extends object> {
  readonly signal: AbortSignal | undefined;
  /** The initial limit, in milliseconds. */
  readonly limitMs: number;
  /** See {@link PendingCall}; both default to false. */
  readonly returned?: boolean;
  readonly wantsConnection?: boolean;
  /**
   * Called at the start and whenever the picker changes, a connection has room again or the transport is closed;
   * undefined: keep waiting.
   */
  poll(): T | undefined;
  /** The limit has passed. A number: wait that many more milliseconds. */
  expired(): T | number;
  /** The signal has aborted. */
  aborted(): T;
}

/**
 * Waits until `poll` returns a value, the limit passes or the signal aborts. Every wait of a call goes through here: it
 * is bounded, and one timer keeps the process alive while it lasts.
 */
export function waitFor<T extends object>(source: PickerSource, clock: Clock, wait: Wait<T>): Promise<T> {
  const { signal, limitMs } = wait;
  return new Promise((resolve, reject) => {
    const look = (at: () => T | number | undefined) => {
      try {
        const found = at();
        if (found === undefined) return;
        if (typeof found === "number") return hold(found);
        end();
        resolve(found);
      } catch (error) {
        end();
        reject(error);
      }
    };
    let timer: Timer;
    const hold = (ms: number) => {
      timer = clock.timer(ms, () => look(() => wait.expired()), true);
    };
    const end = () => {
      source.forget(pending);
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
    };
    const onAbort = () => look(() => wait.aborted());
    const { returned = false, wantsConnection = false } = wait;
    const pending: PendingCall = { returned, wantsConnection, retry: () => look(() => wait.poll()) };
    hold(limitMs);
    signal?.addEventListener("abort", onAbort);
    source.await(pending);
  });
}
