import type { Clock } from "../../time/clock.ts";

/** By default, this many resets … */
const MAX_RESETS = 10_000;
/** … in this many milliseconds are too many, unless they are less than half of the requests of that time. */
const PERIOD_MS = 10_000;

/**
 * Detects clients that make work and throw it away: requests that are reset at once (CVE-2023-44487), or that the
 * server is made to reset by what follows them (CVE-2025-8671). Clients whose deadlines pass and calls that are hedged
 * reset many requests too, but not most of thousands.
 */
export class ResetGuard {
  readonly #clock: Clock;
  readonly #max: number;
  #resets = 0;
  #since = 0;
  #requestsBefore = 0;

  constructor(clock: Clock, max: number = MAX_RESETS) {
    this.#clock = clock;
    this.#max = max;
  }

  /** Counts a reset; `requests` is the number of requests so far. Returns false if there are too many. */
  reset(requests: number): boolean {
    if (this.#resets++ === 0) {
      this.#since = this.#clock.now();
      this.#requestsBefore = requests;
    }
    if (this.#resets < this.#max) return true;
    const tooMany = this.#resets * 2 > requests - this.#requestsBefore;
    if (tooMany && this.#clock.now() - this.#since < PERIOD_MS) return false;
    this.#resets = 0;
    return true;
  }
}
