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
  /** Undefined: there are no observers, and attempts are not timed for them. */
  readonly observers: readonly CallObserver[] | undefined;
  /** Undefined: calls are retried only where that is always safe. */
  readonly retry: RetryPolicy | undefined;
}
