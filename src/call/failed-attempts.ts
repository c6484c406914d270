import type { Connection } from "../connection/connection.ts";
import type { AttemptEnd } from "../connection/mark.ts";
import { connectionBehind } from "../policy/view.ts";
import { Backoff } from "../time/backoff.ts";

/** A failed attempt, for error messages. */
export interface FailedAttempt {
  readonly address: string;
  readonly end: AttemptEnd;
  readonly error: unknown;
}

/** The pause of a call that every endpoint refused, before it tries them again. */
const REFUSED_BACKOFF = { initialMs: 10, maxMs: 1_000, factor: 2, jitter: "full" } as const;

/**
 * The attempts of one call that failed or were declined, and the connections it avoids because of them, or because it
 * uses them already.
 */
export class FailedAttempts {
  readonly list: FailedAttempt[] = [];
  /** How many were answered with an error, or may have been processed. */
  retried = 0;
  /** How many may have made the server end its connection. */
  suspected = 0;
  /** How often a link that reported room declined the call. */
  declined = 0;
  /** The numbers of attempts that were never made, which the next ones get. */
  readonly vacant: number[] = [];
  /** How many others were in flight when the newest attempt was sent. */
  beside = 0;
  /** Whether the most recent pick skipped a connection because of them. */
  skipped = false;
  /** Whether the call has failed, too. */
  final = false;
  #excluded: Set<Connection> | undefined;
  #backoff: Backoff | undefined;

  add(connection: Connection, end: AttemptEnd, error: unknown): void {
    this.list.push({ address: connection.endpoint.address, end, error });
  }

  /** Picks skip the connection until `readmit`. */
  exclude(connection: Connection): void {
    (this.#excluded ??= new Set()).add(connection);
  }

  /** It was not tried after all. */
  include(connection: Connection): void {
    this.#excluded?.delete(connection);
  }

  /** Whether a picker should skip the connection. */
  skips(connection: Connection): boolean {
    if (this.#excluded === undefined || !this.#excluded.has(connectionBehind(connection) ?? connection)) return false;
    return this.skipped = true;
  }

  /** All are excluded: lets them be picked again. */
  readmit(): void {
    this.#excluded = undefined;
  }

  /** The pause before `readmit`, in milliseconds. */
  pauseMs(random: () => number): number {
    this.#backoff ??= new Backoff(REFUSED_BACKOFF, random);
    return this.#backoff.next();
  }
}
