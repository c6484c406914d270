/** Divides time into slices, of which a sliding window keeps the newest. */
export class Slices {
  readonly #lengthMs: number;
  readonly #kept: number;
  /** When the current slice began. */
  #startMs: number | undefined;

  /** `kept`: how many slices the window has. */
  constructor(lengthMs: number, kept: number) {
    this.#lengthMs = lengthMs;
    this.#kept = kept;
  }

  /** How many slices have begun since this was last asked, and so how many of the oldest are to be forgotten. */
  begun(nowMs: number): number {
    const sinceMs = nowMs - (this.#startMs ??= nowMs);
    if (sinceMs < this.#lengthMs) return 0;
    const begun = Math.floor(sinceMs / this.#lengthMs);
    this.#startMs += begun * this.#lengthMs;
    return Math.min(begun, this.#kept);
  }
}
