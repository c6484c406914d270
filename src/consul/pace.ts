import { Backoff } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import { ConsulError } from "./agent.ts";

/** The backoff after failures: full jitter, because all programs of a machine notice at once that their agent is gone. */
const RETRY = { initialMs: 100, maxMs: 5_000, factor: 2, jitter: "full" } as const;
/** The wait after a refused token, in milliseconds. */
const REFUSED_RETRY_MS = 30_000;
/** How long successes must have lasted before the backoff starts over, in milliseconds. */
const HEALTHY_MS = 10_000;

/** The pace of a loop that goes on until it is stopped. */
export class ConsulPace {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #healthySinceMs: number | undefined;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#backoff = new Backoff(RETRY, random);
  }

  succeeded(): void {
    this.#healthySinceMs ??= this.#clock.now();
  }

  /** Returns how long to wait before the next attempt, in milliseconds. */
  failed(cause: unknown): number {
    const sinceMs = this.#healthySinceMs;
    if (sinceMs !== undefined && this.#clock.now() - sinceMs >= HEALTHY_MS) this.#backoff.reset();
    this.#healthySinceMs = undefined;
    return cause instanceof ConsulError && cause.refused ? REFUSED_RETRY_MS : Math.round(this.#backoff.next());
  }
}
