import type { ConnectivityState } from "../connectivity.ts";
import type { BackoffOptions } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import type { InFlightLimit } from "./in-flight-limit.ts";
import type { Connector, Link } from "./link.ts";

/** What connections of a kind need from their pool. */
export interface ConnectionHost<C> {
  /** How many attempts have ever succeeded on all of them. */
  successes: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly connector: Connector;
  readonly backoff: BackoffOptions;
  /** Runs `open` when another connection may be opened; its promise settles when the opening is over. */
  admit(open: () => Promise<void> | undefined): void;
  /** How many attempts may be in flight; undefined: any number. */
  readonly limit?: InFlightLimit | undefined;
  /** A state changed; `cause` says why when something failed. */
  changed(connection: C, from: ConnectivityState, cause: Error | undefined): void;
  /** Its availability changed, but not its state. */
  touched(connection: C): void;
  /** Its link was full and no longer is. */
  room(connection: C): void;
  /** A link that is no longer used, while calls in flight may finish on it. */
  retire(link: Link): void;
}

/** A backoff that ends with a timer. */
export interface RunningBackoff {
  readonly delayMs: number;
  /** On the clock's scale. */
  readonly untilMs: number;
  cancel(): void;
}
