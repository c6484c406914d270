/**
 * How many microtasks a burst lasts where the end of a turn can't be detected. A streaming call's headers, first
 * message and end come up to 7 microtasks apart, by way of the caller's generators and promises: this makes one write
 * of three.
 */
const BURST_MICROTASKS = 8;

/** How long buffered frames may wait in a long turn, in milliseconds: servers would be idle meanwhile. */
const LONGEST_WAIT_MS = 1;

/** Reading the clock costs as much as buffering a small frame: where frames come quickly, it is read at every ninth. */
const MOST_UNTIMED = 8;
const QUICK_MS: number = LONGEST_WAIT_MS / 16;

/** Flushes what was buffered in one turn of the event loop, for all connections together. */
export class FlushScheduler {
  readonly #now: () => number;
  readonly #atEndOfTurn: (callback: () => void) => void;
  readonly #due = new Set<() => void>();
  #sinceMs = 0;
  /** When the clock was last read, and how many calls don't read it. */
  #readMs = 0;
  #untimed = 0;

  constructor(now: () => number, atEndOfTurn: (callback: () => void) => void) {
    this.#now = now;
    this.#atEndOfTurn = atEndOfTurn;
  }

  /**
   * Runs `flush` once at the end of the current turn. Called again, with the same or another function, after what is
   * due has waited long enough, it runs that immediately.
   */
  schedule(flush: () => void): void {
    const due = this.#due;
    if (due.size > 0 && this.#isLate()) this.#flush();
    if (due.size === 0) {
      this.#sinceMs = this.#readMs = this.#now();
      this.#atEndOfTurn(this.#flush);
    }
    due.add(flush);
  }

  #isLate(): boolean {
    if (this.#untimed > 0) {
      this.#untimed--;
      return false;
    }
    const now = this.#now();
    this.#untimed = now - this.#readMs < QUICK_MS ? MOST_UNTIMED : 0;
    this.#readMs = now;
    return now - this.#sinceMs > LONGEST_WAIT_MS;
  }

  readonly #flush = (): void => {
    for (const flush of this.#due) {
      this.#due.delete(flush);
      flush();
    }
  };
}

/** Calls back after a burst of microtasks, for runtimes on which the end of a turn can't be detected. */
export function afterBurst(callback: () => void): void {
  let left = BURST_MICROTASKS;
  const count = () => {
    if (--left > 0) queueMicrotask(count);
    else callback();
  };
  queueMicrotask(count);
}
