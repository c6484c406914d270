import { type Clock, MAX_DELAY_MS } from "../time/clock.ts";

/** A waiting caller. */
export interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

/** Callers waiting for the same event. The process is kept alive while there are any. */
export class Waiters {
  readonly #clock: Clock;
  #waiting = new Set<Waiter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get empty(): boolean {
    return this.#waiting.size === 0;
  }

  /**
   * Settles with the others, or rejects after `timeoutMs` with the error from `late`; without these, waits
   * indefinitely.
   */
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

  /** The current waiters, without later ones. */
  present(): readonly Waiter[] {
    return [...this.#waiting];
  }

  /** Settles the given waiters, by default all. */
  settle(error?: Error, waiters: readonly Waiter[] = this.present()): void {
    for (const waiter of waiters) {
      if (error === undefined) waiter.resolve();
      else waiter.reject(error);
    }
  }
}
