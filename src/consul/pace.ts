import { Backoff } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import { ConsulError } from "./agent.ts";

/** The backoff after failures: full jitter, because all programs of a machine notice at once that their agent is gone. */
const RETRY = { initialMs: 100, maxMs: 5_000, factor: 2, jitter: "full" } as const;
/**
 * The longest wait after a refused token, in milliseconds: it takes a person to fix that. It is reached at once by those
 * that were never admitted, and doubles from a second for others, whose token may be about to be replaced.
 */
const REFUSED_RETRY_MS = 30_000;
/** How long successes must have lasted before the backoff starts over, in milliseconds. */
const HEALTHY_MS = 10_000;

/** The pace of a loop that goes on until it is stopped. */
export class ConsulPace {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #healthySinceMs: number | undefined;
  /** How many refusals in a row; more than any, before the first success. */
  #refusals = 9;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#backoff = new Backoff(RETRY, random);
  }

  succeeded(): void {
    this.#healthySinceMs ??= this.#clock.now();
    this.#refusals = 0;
  }

  /** Returns how long to wait before the next attempt, in milliseconds. */
  failed(cause: unknown): number {
    const sinceMs = this.#healthySinceMs;
    if (sinceMs !== undefined && this.#clock.now() - sinceMs >= HEALTHY_MS) this.#backoff.reset();
    this.#healthySinceMs = undefined;
    return cause instanceof ConsulError && cause.refused
      ? Math.min(1_000 * 2 ** this.#refusals++, REFUSED_RETRY_MS)
      : Math.round(this.#backoff.next());
  }
}
