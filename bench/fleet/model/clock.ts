import { setImmediate } from "node:timers";
import type { Clock, Timer } from "../../../src/time/clock.ts";

/** Something that happens at its time, unless it is cancelled. */
class Event implements Timer {
  readonly atMs: number;
  /** Events of the same time happen in the order in which they were scheduled. */
  readonly number: number;
  /** Undefined once it has happened or was cancelled. */
  callback: (() => void) | undefined;
  /** Whether it runs the library's code, which may leave promises to settle. */
  readonly settles: boolean;

  constructor(atMs: number, number: number, callback: () => void, settles: boolean) {
    this.atMs = atMs;
    this.number = number;
    this.callback = callback;
    this.settles = settles;
  }

  cancel(): void {
    this.callback = undefined;
  }

  before(other: Event): boolean {
    return this.atMs < other.atMs || (this.atMs === other.atMs && this.number < other.number);
  }
}

/**
 * The time of a simulation: it jumps from one event to the next. As a `Clock` it serves the library's code, and lets the
 * promises settle that an event resolved before the next event happens.
 */
export class SimulatedClock implements Clock {
  #nowMs = 0;
  #scheduled = 0;
  /** A binary heap, the next event first. */
  readonly #events: Event[] = [];
  /** The same time for the model's own parts, whose events resolve no promises, which makes them much cheaper. */
  readonly model: Clock = {
    now: () => this.#nowMs,
    timer: (delayMs, callback) => this.#schedule(delayMs, callback, false),
  };

  now(): number {
    return this.#nowMs;
  }

  timer(delayMs: number, callback: () => void): Timer {
    return this.#schedule(delayMs, callback, true);
  }

  /** Goes on until a time, or until nothing more will happen. */
  async run(untilMs: number): Promise<void> {
    await settled();
    for (let next = this.#events[0]; next !== undefined && next.atMs <= untilMs; next = this.#events[0]) {
      this.#removeFirst();
      const { callback } = next;
      if (callback === undefined) continue;
      next.callback = undefined;
      this.#nowMs = next.atMs;
      callback();
      if (next.settles) await settled();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #schedule(delayMs: number, callback: () => void, settles: boolean): Event {
    const event = new Event(this.#nowMs + Math.max(0, delayMs), this.#scheduled++, callback, settles);
    const events = this.#events;
    let at = events.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!event.before(events[above]!)) break;
      events[at] = events[above]!;
      at = above;
    }
    events[at] = event;
    return event;
  }

  #removeFirst(): void {
    const events = this.#events;
    const last = events.pop()!;
    const size = events.length;
    if (size === 0) return;
    let at = 0;
    for (let below = 1; below < size; below = 2 * at + 1) {
      if (below + 1 < size && events[below + 1]!.before(events[below]!)) below++;
      if (!events[below]!.before(last)) break;
      events[at] = events[below]!;
      at = below;
    }
    events[at] = last;
  }
}

/** Everything has run that waits only for promises. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
