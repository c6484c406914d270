import type { Clock } from "../../../src/time/clock.ts";

/** Sleeps that end at whole multiples of a time, all that end at one of them in one event. */
export class SharedSleep {
  readonly #clock: Clock;
  readonly #everyMs: number;
  /** By the number of the multiple. */
  readonly #sleepers = new Map<number, (() => void)[]>();

  constructor(clock: Clock, everyMs: number) {
    this.#clock = clock;
    this.#everyMs = everyMs;
  }

  sleep(delayMs: number): Promise<void> {
    const nowMs = this.#clock.now(), number = Math.ceil((nowMs + delayMs) / this.#everyMs);
    return new Promise((resolve) => {
      const others = this.#sleepers.get(number);
      if (others !== undefined) return void others.push(resolve);
      const all = [resolve];
      this.#sleepers.set(number, all);
      this.#clock.timer(number * this.#everyMs - nowMs, () => {
        this.#sleepers.delete(number);
        for (const wake of all) wake();
      });
    });
  }
}
