import { setImmediate } from "node:timers";
import type { Clock, Timer } from "../../../src/time/clock.ts";
import { EventQueue } from "../../../test/support/event-queue.ts";

/**
 * The time of a simulation: it jumps from one event to the next. As a `Clock` it serves the library's code, and lets the
 * promises settle that an event resolved before the next event happens.
 */
export class SimulatedClock implements Clock {
  readonly #events = new EventQueue();
  #nowMs = 0;
  /** Whether the event that happens runs the library's code, which may leave promises to settle. */
  #settles = false;
  /** The same time for the model's own parts, whose events resolve no promises, which makes them much cheaper. */
  readonly model: Clock = {
    now: () => this.#nowMs,
    timer: (delayMs, callback) => this.#schedule(delayMs, callback),
  };

  now(): number {
    return this.#nowMs;
  }

  timer(delayMs: number, callback: () => void): Timer {
    return this.#schedule(delayMs, () => {
      this.#settles = true;
      callback();
    });
  }

  /** Goes on until a time, or until nothing more will happen. */
  async run(untilMs: number): Promise<void> {
    await settled();
    const events = this.#events;
    for (let next = events.first(); next !== undefined && next.atMs <= untilMs; next = events.first()) {
      this.#nowMs = next.atMs;
      this.#settles = false;
      events.take(next)();
      if (this.#settles) await settled();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #schedule(delayMs: number, callback: () => void): Timer {
    const events = this.#events, event = events.add(this.#nowMs + Math.max(0, delayMs), callback);
    return { cancel: () => events.cancel(event) };
  }
}

/** Everything has run that waits only for promises. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
