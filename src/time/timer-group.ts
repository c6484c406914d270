import { guarded } from "../listener.ts";
import type { Clock, Timer } from "./clock.ts";

/** The timers of user-written code: they are cancelled together, and errors that their callbacks throw are printed. */
export class TimerGroup {
  readonly #clock: Clock;
  readonly #whose: string;
  readonly #timers = new Set<Timer>();
  #closed = false;

  /** `whose`: for the printed errors, such as "a policy". */
  constructor(clock: Clock, whose: string) {
    this.#clock = clock;
    this.#whose = whose;
  }

  /** Starts a timer that does not keep the process alive. Does nothing after `close`. */
  add(delayMs: number, callback: () => void): Timer {
    if (this.#closed) return { cancel() {} };
    const timer = this.#clock.timer(delayMs, () => {
      this.#timers.delete(timer);
      guarded(`a timer of ${this.#whose}`, callback);
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
