import type { Clock, Timer } from "./clock.ts";

/** A signal that aborts with another one, or when something takes too long: a request, or the next part of an answer. */
export class Watchdog {
  readonly #clock: Clock;
  readonly #parent: AbortSignal;
  readonly #controller = new AbortController();
  readonly #abort = () => this.abort(this.#parent.reason);
  #timer: Timer | undefined;

  constructor(clock: Clock, parent: AbortSignal) {
    this.#clock = clock;
    this.#parent = parent;
    parent.addEventListener("abort", this.#abort);
    if (parent.aborted) this.#abort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From now on it has `delayMs` until the signal aborts with the error of `late`. Replaces what was set before. */
  within(delayMs: number, late: () => Error): void {
    this.#timer?.cancel();
    if (this.signal.aborted) return;
    this.#timer = this.#clock.timer(delayMs, () => this.abort(late()));
  }

  abort(reason: unknown): void {
    this.#timer?.cancel();
    this.#controller.abort(reason);
  }

  /** What it watched is done. */
  stop(): void {
    this.#timer?.cancel();
    this.#parent.removeEventListener("abort", this.#abort);
  }
}
