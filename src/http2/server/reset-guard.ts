import type { Clock } from "../../time/clock.ts";
import { CountedPeriod } from "../../time/counted-period.ts";

/** By default, this many resets in a period are too many, unless they are less than half of the requests of that time. */
const MAX_RESETS = 10_000;

/**
 * Detects clients that make work and throw it away: requests that are reset at once (CVE-2023-44487), or that the
 * server is made to reset by what follows them (CVE-2025-8671). Clients whose deadlines pass and calls that are hedged
 * reset many requests too, but not most of thousands.
 */
export class ResetGuard {
  readonly #period: CountedPeriod;
  readonly #max: number;

  constructor(clock: Clock, max: number = MAX_RESETS) {
    this.#period = new CountedPeriod(clock);
    this.#max = max;
  }

  /** Counts a reset; `requests` is the number of requests so far. Returns false if there are too many. */
  reset(requests: number): boolean {
    this.#period.add(requests);
    const { count, others } = this.#period;
    return count < this.#max || count * 2 <= others;
  }
}
