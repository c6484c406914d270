import type { Clock, Timer } from "../../src/time/clock.ts";

/** A clock that stands still until a test turns it. */
export class ManualClock implements Clock {
  #now = 0;
  #timers: { atMs: number; callback: () => void; hold: boolean }[] = [];

  now(): number {
    return this.#now;
  }

  timer(delayMs: number, callback: () => void, hold = false): Timer {
    const entry = { atMs: this.#now + Math.max(0, delayMs), callback, hold };
    this.#timers.push(entry);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== entry)) };
  }

  /** When the pending timers fire, in milliseconds from now, the soonest first. */
  get pending(): number[] {
    return this.#timers.map(({ atMs }) => atMs - this.#now).sort((a, b) => a - b);
  }

  /** How many pending timers would hold the process. */
  get held(): number {
    return this.#timers.filter(({ hold }) => hold).length;
  }

  /** Turns the clock on without firing timers, as if they had been lost with the request that set them. */
  skip(ms: number): void {
    this.#now += ms;
  }

  /** Turns the clock on, firing timers in their order; promises that they settle run in between. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#now + ms;
    for (;;) {
      await settled();
      const next = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = next.atMs;
      next.callback();
    }
    this.#now = endMs;
    await settled();
  }
}

/** Lets everything run that waits only for promises. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve, 0));
}
