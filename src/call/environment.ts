import type { PickerSource } from "../balancer/picker-source.ts";
import type { Clock } from "../time/clock.ts";
import type { Attempt, CallObserver } from "./observer.ts";
import type { Settings } from "./settings.ts";

/** What all calls of a transport share. */
export interface CallEnvironment {
  readonly balancer: PickerSource;
  readonly clock: Clock;
  readonly random: () => number;
  readonly waitTimeoutMs: number;
  readonly settings: Settings;
  readonly onAttempt: ((attempt: Attempt) => void) | undefined;
  /** Undefined: there are no observers, and attempts are not timed for them. */
  readonly observers: readonly CallObserver[] | undefined;
}
