import { Backoff } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import { AuthenticationError, EtcdError } from "../driver/failure.ts";

/** The backoff between attempts: full jitter, so that a restarted etcd is not hit by all clients at once. */
export const RETRY = { initialMs: 100, maxMs: 2_000, factor: 2, jitter: "full" } as const;
/** The wait after a refused password or a missing permission: it takes a person to fix that. */
export const REFUSED_RETRY_MS = 30_000;
/** How long a loop must have been healthy before its backoff starts over; merely connecting is not a sign of health. */
export const HEALTHY_MS = 10_000;

/** When to try again after a failure, and what kind of failure it was. */
export interface Retry {
  readonly inMs: number;
  /** etcd refused the user: wrong password, or no permission. */
  readonly refused: boolean;
  /** There is no token, so no request was sent to the loop's endpoint. */
  readonly unauthenticated: boolean;
}

/**
 * The retry pace of a loop that continues until it succeeds, such as a registration or a watch: a backoff after most
 * failures, which starts over after a healthy period; the next authentication if a token is missing; a long wait if
 * etcd refused the user.
 */
export class Pace {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #healthySinceMs: number | undefined;

  constructor({ clock, random }: { readonly clock: Clock; readonly random: () => number }) {
    this.#clock = clock;
    this.#backoff = new Backoff(RETRY, random);
  }

  /** Whether anything succeeded since the last failure. */
  get healthy(): boolean {
    return this.#healthySinceMs !== undefined;
  }

  succeeded(): void {
    this.#healthySinceMs ??= this.#clock.now();
  }

  failed(cause: unknown): Retry {
    this.#resetAfterHealth();
    const unauthenticated = cause instanceof AuthenticationError;
    const refused = cause instanceof EtcdError && cause.kind === "refused";
    const inMs = unauthenticated
      ? Math.ceil(Math.max(0, cause.retryAtMs - this.#clock.now()))
      : refused
      ? REFUSED_RETRY_MS
      : Math.round(this.#backoff.next());
    return { inMs, refused, unauthenticated };
  }

  /** The loop has to start over. Returns the delay in milliseconds: 0, unless it happens repeatedly. */
  startOver(): number {
    this.#resetAfterHealth();
    const delayMs = this.#backoff.next();
    return this.#backoff.tries === 1 ? 0 : delayMs;
  }

  #resetAfterHealth(): void {
    const sinceMs = this.#healthySinceMs;
    if (sinceMs !== undefined && this.#clock.now() - sinceMs >= HEALTHY_MS) this.#backoff.reset();
    this.#healthySinceMs = undefined;
  }
}
