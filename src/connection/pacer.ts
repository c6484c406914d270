import type { Clock, Timer } from "../time/clock.ts";
import { PACE_MS } from "../time/pace.ts";

type Requested = "nothing" | "a run" | "an urgent run";

/**
 * Runs something once for a burst of changes: at once for the first, then every {@link PACE_MS} at most. An urgent change
 * does not wait for that. What is requested while it runs (it may cause changes itself) is done after it, as a run of its
 * own.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #run: () => void;
  #lastRunMs = -Infinity;
  /** Ends the wait for the next run. */
  #timer: Timer | undefined;
  #running = false;
  /** What was requested during the run. */
  #requested: Requested = "nothing";
  #stopped = false;

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** Something changed: runs now if nothing ran for {@link PACE_MS}, otherwise when that is over. */
  request(): void {
    if (this.#stopped) return;
    if (this.#running) {
      if (this.#requested === "nothing") this.#requested = "a run";
      return;
    }
    const waitMs = this.#lastRunMs + PACE_MS - this.#clock.now();
    if (waitMs <= 0) this.#runNow();
    else this.#timer ??= this.#clock.timer(waitMs, () => this.#runNow());
  }

  /** Something changed that can't wait: runs now. */
  requestUrgently(): void {
    if (this.#stopped) return;
    if (this.#running) this.#requested = "an urgent run";
    else this.#runNow();
  }

  /** Runs no more, whatever is or was requested, until `restart`. */
  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
  }

  /** Begins anew: the next request is the first. */
  restart(): void {
    this.#stopped = false;
    this.#lastRunMs = -Infinity;
  }

  #runNow(): void {
    this.#cancelTimer();
    this.#lastRunMs = this.#clock.now();
    this.#running = true;
    let requested: Requested;
    try {
      this.#run();
    } finally {
      this.#running = false;
      requested = this.#requested;
      this.#requested = "nothing";
    }
    if (requested === "an urgent run") this.requestUrgently();
    else if (requested === "a run") this.request();
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
