import type { Connection } from "../connection/connection.ts";
import type { AttemptEnd } from "../connection/mark.ts";
import { Backoff } from "../time/backoff.ts";
import type { FailedAttempt } from "./explain.ts";

/** The pause of a call that every endpoint has refused, before it asks them again. */
const REFUSED_BACKOFF = { initialMs: 10, maxMs: 1_000, factor: 2, jitter: "full" } as const;

/** What the failed attempts of a call leave behind. Most calls have none. */
export class CallHistory {
  /** For error texts. */
  readonly failed: FailedAttempt[] = [];
  /** How many attempts were answered with an error or may have been processed. */
  retried = 0;
  /** Whether the newest pick met a connection that it had to leave out. */
  metTried = false;
  readonly #tried = new Set<Connection>();
  #backoff: Backoff | undefined;

  note(connection: Connection, end: AttemptEnd, error: unknown): void {
    this.failed.push({ address: connection.endpoint.address, end, error });
  }

  /** No further attempt goes to the connection, until all have failed. */
  exclude(connection: Connection): void {
    this.#tried.add(connection);
  }

  excluded(connection: Connection): boolean {
    if (!this.#tried.has(connection)) return false;
    return this.metTried = true;
  }

  /** All have failed: they may be asked again. */
  forgive(): void {
    this.#tried.clear();
  }

  /** The pause before that, in milliseconds. */
  pauseMs(random: () => number): number {
    this.#backoff ??= new Backoff(REFUSED_BACKOFF, random);
    return this.#backoff.next();
  }
}
