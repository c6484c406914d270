import type { Clock } from "./clock.ts";

/** How long to wait between retries: `initialMs × factor^n`, at most `maxMs`, randomized by `jitter`. */
export interface BackoffOptions {
  /** The first delay in milliseconds. */
  readonly initialMs: number;
  /** The longest delay in milliseconds, before jitter. */
  readonly maxMs: number;
  /** The factor from each delay to the next. Defaults to 1.6 (gRPC's connection-backoff.md). */
  readonly factor?: number;
  /**
   * How far a delay may deviate from its base, as a fraction from 0 to 1, or `"full"` for anything between 0 and the
   * base. Defaults to 0.2 (gRPC's connection-backoff.md).
   */
  readonly jitter?: number | "full";
}

/** Exponential backoff with jitter: counts retries, and computes the delay before the next one. */
export class Backoff {
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #factor: number;
  readonly #jitter: number | "full";
  readonly #random: () => number;
  #tries = 0;

  constructor(options: BackoffOptions, random: () => number) {
    this.#initialMs = options.initialMs;
    this.#maxMs = options.maxMs;
    this.#factor = options.factor ?? 1.6;
    this.#jitter = options.jitter ?? 0.2;
    this.#random = random;
  }

  /** How many delays were returned since the last reset. */
  get tries(): number {
    return this.#tries;
  }

  /** The next delay in milliseconds. */
  next(): number {
    const base = Math.min(this.#maxMs, this.#initialMs * this.#factor ** this.#tries++);
    if (this.#jitter === "full") return base * this.#random();
    return base * (1 + this.#jitter * (2 * this.#random() - 1));
  }

  /** Starts over: the next delay is the first one again. */
  reset(): void {
    this.#tries = 0;
  }
}

/** Resolves after `delayMs`, or as soon as `signal` aborts; never rejects: check the signal afterwards. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal | undefined, hold = false): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      timer.cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.timer(delayMs, done, hold);
    signal?.addEventListener("abort", done);
  });
}
