import type { Clock } from "./clock.ts";

/** How long a period lasts, in milliseconds. */
export const PERIOD_MS = 10_000;

/**
 * Counts what should not happen often in periods of ten seconds, each of which begins with the first occurrence after
 * the last one's end, and how much another count, which justifies it, has grown meanwhile.
 */
export class CountedPeriod {
  /** How often it happened in this period. */
  count = 0;
  /** How much the other count has grown since the period began. */
  others = 0;
  readonly #clock: Clock;
  #sinceMs = 0;
  #othersBefore = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** It happened; the other count is `others`. Returns the time. */
  add(others: number): number {
    const now = this.#clock.now();
    if (this.count === 0 || now - this.#sinceMs >= PERIOD_MS) {
      this.count = 0;
      this.#sinceMs = now;
      this.#othersBefore = others;
    }
    this.count++;
    this.others = others - this.#othersBefore;
    return now;
  }
}
