import type { Clock, Timer } from "./clock.ts";

/** Timers of code that a user wrote: they end together, and what their callbacks throw is printed. */
export class TimerGroup {
  readonly #clock: Clock;
  readonly #whose: string;
  readonly #timers = new Set<Timer>();
  #closed = false;

  /** `whose`: for what is printed, such as "a policy". */
  constructor(clock: Clock, whose: string) {
    this.#clock = clock;
    this.#whose = whose;
  }

  /** A timer that does not hold the process. After `close`, none. */
  add(delayMs: number, callback: () => void): Timer {
    if (this.#closed) return { cancel() {} };
    const timer = this.#clock.timer(delayMs, () => {
      this.#timers.delete(timer);
      try {
        callback();
      } catch (error) {
        console.error(`connect-lb: a timer of ${this.#whose} threw`, error);
      }
    });
    this.#timers.add(timer);
    return {
      cancel: () => {
        this.#timers.delete(timer);
        timer.cancel();
      },
    };
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
