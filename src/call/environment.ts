import type { PickerSource } from "../balancer/picker-source.ts";
import type { ClientCallCounter } from "../snapshot.ts";
import type { Clock } from "../time/clock.ts";
import type { Meter } from "./meter.ts";
import type { Attempt, CallObserver } from "./observer.ts";
import type { Settings } from "./settings.ts";
import type { CallThrottle } from "./throttle.ts";

/** What all calls of a transport share. */
export interface CallEnvironment {
  readonly balancer: PickerSource;
  readonly clock: Clock;
  readonly random: () => number;
  readonly waitTimeoutMs: number;
  /** How many calls may wait for a connection. */
  readonly maxWaiting: number;
  readonly settings: Settings;
  /** Undefined: all calls are made. */
  readonly throttle: CallThrottle | undefined;
  readonly onAttempt: ((attempt: Attempt) => void) | undefined;
  /** The observers of attempts. Undefined: there are none, and attempts are not timed for them. */
  readonly observers: readonly CallObserver[] | undefined;
  /** The observers of calls. Undefined: there are none. */
  readonly callObservers: readonly CallObserver[] | undefined;
  /** The only observer of calls, if that is a meter. */
  readonly meter: Meter<CallEnvironment> | undefined;
  /** How many calls there were. */
  readonly calls: ClientCallCounter;
}
