import { type Clock, MAX_DELAY_MS } from "../../time/clock.ts";

/** One who waits. */
export interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

/** Callers that wait for the same thing to happen next; the process is held while there are any. */
export class Waiters {
  readonly #clock: Clock;
  #waiting = new Set<Waiter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get empty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Settles with the others, or rejects after `timeoutMs` with what `late` gives; without it waits for ever. */
  wait(timeoutMs: number = MAX_DELAY_MS, late?: () => Error): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const timer = this.#clock.timer(timeoutMs, () => late && waiter.reject(late()), true);
      const settled = () => {
        timer.cancel();
        this.#waiting.delete(waiter);
      };
      const waiter = {
        resolve: () => {
          settled();
          resolve();
        },
        reject: (error: Error) => {
          settled();
          reject(error);
        },
      };
      this.#waiting.add(waiter);
    });
  }

  /** Those who wait now; who comes later is not among them. */
  present(): readonly Waiter[] {
    return [...this.#waiting];
  }

  /** Settles those of an earlier moment, or all. */
  settle(error?: Error, waiters: readonly Waiter[] = this.present()): void {
    for (const waiter of waiters) {
      if (error === undefined) waiter.resolve();
      else waiter.reject(error);
    }
  }
}
