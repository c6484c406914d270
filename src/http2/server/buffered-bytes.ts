/** What a server holds of unfinished requests, over all its connections. */
export class BufferedBytes {
  readonly #max: number;
  #held = 0;

  constructor(max: number = 64 * 1024 * 1024) {
    this.#max = max;
  }

  /** How many bytes are held. */
  get held(): number {
    return this.#held;
  }

  /** Counts bytes as held. Returns false, and counts nothing, if that would be too many. */
  hold(bytes: number): boolean {
    if (this.#held + bytes > this.#max) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
}
