/** How a turn of Deno's event loop can be waited for. */
export interface DenoWaits {
  now(): number;
  /** Calls back soon, once nothing else is to be done: the event loop may not have looked at sockets. */
  soon(run: () => void): void;
  /** Calls back once it has. */
  look(run: () => void): void;
}

/** How long the event loop may go without looking at sockets, in milliseconds. */
const LONGEST_MS = 4;

/**
 * Turns of Deno's event loop. It looks at sockets only when nothing else is to be done, or after dozens of rounds of all
 * that is: with immediates or messages, a few busy connections would hold all others up by seconds. So all that waits
 * runs in one round, which begins when another thread has done the smallest task (20 µs), for which the event loop
 * waits; and every few milliseconds only once it has surely looked at sockets.
 */
export class DenoTurns {
  readonly #waits: DenoWaits;
  #waiting: (() => void)[] = [];
  /** Whether a round is begun already, or being played. */
  #pending = false;
  #lookedMs = -Infinity;

  constructor(waits: DenoWaits) {
    this.#waits = waits;
  }

  /** Runs something in the next turn. */
  next(run: () => void): void {
    this.#waiting.push(run);
    if (!this.#pending) this.#begin();
  }

  #begin(): void {
    this.#pending = true;
    if (this.#waits.now() - this.#lookedMs < LONGEST_MS) this.#waits.soon(this.#play);
    else this.#waits.look(this.#looked);
  }

  readonly #looked = (): void => {
    this.#lookedMs = this.#waits.now();
    this.#play();
  };

  readonly #play = (): void => {
    const runs = this.#waiting;
    this.#waiting = [];
    try {
      for (let run = runs.shift(); run !== undefined; run = runs.shift()) run();
    } finally {
      // What was left because one threw comes first.
      this.#waiting.unshift(...runs);
      this.#pending = false;
      if (this.#waiting.length > 0) this.#begin();
    }
  };
}
