import type { Connection } from "../connection/connection.ts";
import type { AttemptEnd } from "../connection/mark.ts";
import { connectionBehind } from "../policy/view.ts";
import { Backoff } from "../time/backoff.ts";

/** One attempt that failed, for error texts. */
export interface FailedAttempt {
  readonly address: string;
  readonly end: AttemptEnd;
  readonly error: unknown;
}

/** The pause of a call that every endpoint has refused, before it asks them again. */
const REFUSED_BACKOFF = { initialMs: 10, maxMs: 1_000, factor: 2, jitter: "full" } as const;

/** What the failed attempts of one call leave behind. */
export class FailedAttempts {
  readonly list: FailedAttempt[] = [];
  /** How many were answered with an error or may have been processed. */
  retried = 0;
  /** How many may have cost the connection its life. */
  suspected = 0;
  /** Whether the newest pick skipped a connection because of them. */
  skipped = false;
  #excluded: Set<Connection> | undefined;
  #backoff: Backoff | undefined;

  add(connection: Connection, end: AttemptEnd, error: unknown): void {
    this.list.push({ address: connection.endpoint.address, end, error });
  }

  /** Picks skip the connection until all are excluded. */
  exclude(connection: Connection): void {
    (this.#excluded ??= new Set()).add(connection);
  }

  /** A picker asks whether to skip the connection. */
  skips(connection: Connection): boolean {
    if (this.#excluded === undefined || !this.#excluded.has(connectionBehind(connection) ?? connection)) return false;
    return this.skipped = true;
  }

  /** All are excluded: they may be picked again. */
  readmit(): void {
    this.#excluded = undefined;
  }

  /** The pause before that, in milliseconds. */
  pauseMs(random: () => number): number {
    this.#backoff ??= new Backoff(REFUSED_BACKOFF, random);
    return this.#backoff.next();
  }
}
