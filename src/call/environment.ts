import type { PickerSource } from "../balancer/picker-source.ts";
import type { Clock } from "../time/clock.ts";
import type { Attempt, CallObserver } from "./observer.ts";
import type { RetryPolicy } from "./retry.ts";

/** What all calls of a transport share. */
export interface CallEnvironment {
  readonly balancer: PickerSource;
  readonly clock: Clock;
  readonly random: () => number;
  readonly defaultTimeoutMs: number | undefined;
  readonly waitTimeoutMs: number;
  readonly waitForReady: boolean;
  readonly onAttempt: ((attempt: Attempt) => void) | undefined;
  /** Undefined: nobody observes, and attempts are not timed for it. */
  readonly observers: readonly CallObserver[] | undefined;
  /** Undefined: calls are repeated only where that is always safe. */
  readonly retry: RetryPolicy | undefined;
}
