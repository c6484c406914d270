import type { Clock, Timer } from "../../../src/time/clock.ts";
import { runtime } from "../guard/globals.ts";
import { EventQueue } from "../../support/event-queue.ts";

/** So many turns are asked for ahead: together they cost one round of the event loop, with its look for I/O. */
const AHEAD = 32;

/**
 * The time of a simulation: it jumps from one event to the next.
 *
 * Between two events lies a real turn of the event loop, which every runtime begins only when all promise jobs are done:
 * so whatever an event resolves has run before the next one happens. What asks for the next turn or for the end of this
 * one runs in between, in the order in which it asked.
 */
export class VirtualClock implements Clock {
  readonly #queue = new EventQueue();
  #nowMs = 0;
  #turns: (() => void)[] = [];
  /** How many events have happened. */
  events = 0;

  now(): number {
    return this.#nowMs;
  }

  timer(delayMs: number, callback: () => void): Timer {
    // In steps of about a microsecond: runtimes disagree on the last bits of powers and logarithms.
    const atMs = Math.ceil((this.#nowMs + Math.max(0, delayMs)) * 1_024) / 1_024;
    const queue = this.#queue, event = queue.add(atMs, callback);
    return { cancel: () => queue.cancel(event) };
  }

  /** Timers that are still to fire. */
  get pending(): number {
    return this.#queue.size;
  }

  /** Runs something once all promise jobs are done, before time goes on. */
  nextTurn(callback: () => void): void {
    this.#turns.push(callback);
  }

  /** Goes on until a time, until nothing more will happen, or until `stopped` says so. Rejects with what an event throws. */
  run(untilMs: number, stopped: () => boolean = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      let over = false;
      const turn = () => {
        if (over) return;
        try {
          if (this.#turns.length > 0) {
            const turns = this.#turns;
            this.#turns = [];
            for (const callback of turns) callback();
          } else {
            const next = stopped() ? undefined : this.#queue.first();
            if (next === undefined || next.atMs > untilMs) {
              if (!stopped()) this.#nowMs = Math.max(this.#nowMs, untilMs);
              over = true;
              return resolve();
            }
            this.#nowMs = next.atMs;
            this.events++;
            this.#queue.take(next)();
          }
          runtime.setImmediate(turn);
        } catch (error) {
          over = true;
          reject(error);
        }
      };
      for (let i = 0; i < AHEAD; i++) runtime.setImmediate(turn);
    });
  }
}
