import type { Clock, Timer } from "./clock.ts";

/** How often it beats, how late a beat may be, and how long after the first look a second one counts; milliseconds. */
const BEAT_MS = 1_000, LATE_MS = 2_000, AGAIN_MS = 100;

/**
 * Notices that the request in which something began has ended, where timers belong to requests: then the next beat is
 * missing.
 */
export class Heartbeat {
  readonly #clock: Clock;
  #timer: Timer | undefined;
  /** When a beat counts as missing; later, when a second look may say so. */
  #missingMs = Infinity;
  #looked = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts it in the current request. */
  start(): void {
    this.#looked = false;
    this.#missingMs = this.#clock.now() + BEAT_MS + LATE_MS;
    this.#timer = this.#clock.timer(BEAT_MS, () => this.start());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#missingMs = Infinity;
  }

  /**
   * Whether a beat is missing; then it stops. True only at the second look, some time after the first: a beat that is
   * merely late, because a computation held everything up, comes in between.
   */
  missing(): boolean {
    const nowMs = this.#clock.now();
    if (nowMs < this.#missingMs) return false;
    if (this.#looked) this.stop();
    else this.#missingMs = nowMs + AGAIN_MS;
    return !(this.#looked = !this.#looked);
  }
}
