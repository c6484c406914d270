import type { Clock } from "./clock.ts";

/** How long to wait between tries: `initialMs × factor^n`, at most `maxMs`, spread by `jitter`. */
export interface BackoffOptions {
  /** The first delay in milliseconds. */
  readonly initialMs: number;
  /** The longest delay in milliseconds, before jitter. */
  readonly maxMs: number;
  /** How much each delay grows over the one before it. Defaults to 1.6 (gRPC's connection-backoff.md). */
  readonly factor?: number;
  /**
   * How far a delay strays from its base, from 0 to 1, or `"full"` for anything between 0 and the base. Defaults to 0.2
   * (gRPC's connection-backoff.md).
   */
  readonly jitter?: number | "full";
}

/** The one back-off of the library: counts tries, says how long to wait before the next. */
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

  /** How many delays were handed out since the last reset. */
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

/** Resolves after `delayMs`, or at once when `signal` aborts; it never rejects: look at the signal afterwards. */
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
