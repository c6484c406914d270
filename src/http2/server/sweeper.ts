import { systemClock } from "../../time/clock.ts";
import type { Clock, Timer } from "../../time/clock.ts";

/** What a {@link Sweeper} looks after. */
export interface Swept {
  /** Whether it is looked after now: the sweeper's own. */
  watched: boolean;
  /** Returns whether there is anything left to look after. */
  sweep(now: number, allowance: SweepAllowance): boolean;
}

/** How many requests and connections a sweep may still end; the next one comes soon once that is 0. */
export interface SweepAllowance {
  left: number;
}

/** How often there is a sweep, in milliseconds. */
const INTERVAL_MS = 5_000;
/** How many requests and connections it may end: all clients would wait while thousands are ended at once. */
const MOST_ENDED = 64;

/**
 * One timer for all that a server's connections must not do for too long, however many connections and streams there
 * are: they are looked at every few seconds, so that nothing has a timer of its own or asks the clock for the time.
 */
export class Sweeper {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #swept = new Set<Swept>();
  #timer: Timer | undefined;

  /** `leastMs`: the shortest time that anything measures by sweeps. They are at least four times as frequent. */
  constructor(clock: Clock = systemClock, leastMs: number = Infinity) {
    this.#clock = clock;
    this.#intervalMs = Math.min(INTERVAL_MS, leastMs / 4);
  }

  add(swept: Swept): void {
    if (swept.watched) return;
    swept.watched = true;
    this.#swept.add(swept);
    this.#timer ??= this.#clock.timer(this.#intervalMs, this.#sweep);
  }

  delete(swept: Swept): void {
    swept.watched = false;
    this.#swept.delete(swept);
  }

  readonly #sweep = (): void => {
    this.#timer = undefined;
    const now = this.#clock.now(), allowance = { left: MOST_ENDED };
    for (const swept of this.#swept) {
      if (!swept.sweep(now, allowance)) this.delete(swept);
      if (allowance.left <= 0) break;
    }
    if (this.#swept.size === 0) return;
    this.#timer = this.#clock.timer(allowance.left > 0 ? this.#intervalMs : 0, this.#sweep);
  };
}
