/** How much of the time without events may be made up for at once, in milliseconds. */
const BURST_MS = 20;

/** Allows so many events per second on average. */
export class Pace {
  readonly #perMs: number;
  readonly #most: number;
  #tokens: number;
  #atMs = 0;

  constructor(perSecond: number) {
    this.#perMs = perSecond / 1_000;
    this.#most = this.#tokens = Math.max(1, this.#perMs * BURST_MS);
  }

  /** Whether there may be one now, which then counts. */
  take(nowMs: number): boolean {
    this.#tokens = Math.min(this.#most, this.#tokens + Math.max(0, nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
