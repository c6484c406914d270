import { type Clock, type Timer, TIMERS_BELONG_TO_REQUESTS } from "../time/clock.ts";
import { PACE_MS } from "../time/pace.ts";

type Requested = "nothing" | "a run" | "an urgent run";

/**
 * Runs something once for a burst of changes: immediately for the first, then at most every {@link PACE_MS}. An urgent
 * change does not wait. A request during a run (which may cause changes itself) leads to another run after it.
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

  /**
   * Something changed: runs now if the last run was at least {@link PACE_MS} ago, otherwise when that time has passed.
   */
  request(): void {
    if (this.#stopped) return;
    if (this.#running) {
      if (this.#requested === "nothing") this.#requested = "a run";
      return;
    }
    const waitMs = this.#lastRunMs + PACE_MS - this.#clock.now();
    if (waitMs <= 0) return this.#runNow();
    if (TIMERS_BELONG_TO_REQUESTS) this.#cancelTimer();
    this.#timer ??= this.#clock.timer(waitMs, () => this.#runNow());
  }

  /** Something changed that can't wait: runs now. */
  requestUrgently(): void {
    if (this.#stopped) return;
    if (this.#running) this.#requested = "an urgent run";
    else this.#runNow();
  }

  /** Stops running, whatever is or was requested, until `restart`. */
  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
  }

  /** Starts over: the next request runs immediately. */
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
