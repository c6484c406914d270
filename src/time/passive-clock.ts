import type { Clock, Timer } from "./clock.ts";

/**
 * A clock whose timers do nothing by themselves: `run` runs those that are due. For state that outlives the request in
 * which it changes, where a real timer would end with that request (workerd) or run while nobody is calling.
 */
export class PassiveClock implements Clock {
  readonly #clock: Clock;
  readonly #timers = new Map<Timer, { readonly atMs: number; readonly callback: () => void }>();
  #nextMs = Infinity;

  /** `clock` says what time it is. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  timer(delayMs: number, callback: () => void): Timer {
    const timer: Timer = { cancel: () => void this.#timers.delete(timer) };
    // Not now: a callback that sets such a timer again must not be run again and again.
    const atMs = this.now() + Math.max(1, delayMs);
    this.#timers.set(timer, { atMs, callback });
    if (atMs < this.#nextMs) this.#nextMs = atMs;
    return timer;
  }

  /** How long until a timer may be due, in milliseconds; Infinity: there is none. */
  get dueInMs(): number {
    return this.#nextMs - this.now();
  }

  /** Runs the timers that are due, in their order, including those that become due meanwhile. */
  run(): void {
    while (this.#nextMs <= this.now()) {
      this.#nextMs = Infinity;
      let due: Timer | undefined, dueMs = this.now();
      for (const [timer, { atMs }] of this.#timers) {
        if (atMs < this.#nextMs) this.#nextMs = atMs;
        if (atMs <= dueMs && (due === undefined || atMs < dueMs)) [due, dueMs] = [timer, atMs];
      }
      if (due === undefined) return;
      const { callback } = this.#timers.get(due)!;
      this.#timers.delete(due);
      callback();
    }
  }
}
