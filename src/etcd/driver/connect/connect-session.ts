import type { Transport } from "@connectrpc/connect";
import type { Connector, Link } from "../../../connection/link.ts";
import { markAttempt } from "../../../connection/mark.ts";
import type { Endpoint } from "../../../endpoint.ts";
import { asError } from "../../../error-text.ts";
import { untilAborted } from "../../../time/until-aborted.ts";
import type { Session, SessionEvents } from "../sessions.ts";
import type { SessionBackoff } from "../session-backoff.ts";

/** What a session has besides its endpoint. */
export interface ConnectSessionOptions {
  readonly connector: Connector;
  /** The endpoint's, which outlives the session. */
  readonly backoff: SessionBackoff;
  readonly events: SessionEvents;
}

/** A link to one etcd endpoint: opened on first use, and reopened after it was lost, with a backoff after failures. */
export class ConnectSession implements Session {
  readonly #link: Link;
  readonly #backoff: SessionBackoff;
  readonly #events: SessionEvents;
  /** Set while the link is open or being opened. */
  #opened: Promise<void> | undefined;
  #open = false;
  /** How many times it could not be opened, and why it was not the last time. */
  #failures = 0;
  #failure: unknown;
  /** Aborts a connection attempt that no caller waits for any more. */
  readonly #abandon = new AbortController();

  constructor(endpoint: Endpoint, { connector, backoff, events }: ConnectSessionOptions) {
    this.#backoff = backoff;
    this.#events = events;
    const lost = () => {
      if (this.#open) backoff.ended();
      else if (this.#opened !== undefined) this.#failed(new Error("the connection was lost"));
      this.#lost();
    };
    this.#link = connector(endpoint, { draining: lost, lost, pingsNeedCalls: true });
  }

  /**
   * The link's transport, once it is open. While the endpoint is in backoff, all callers wait for the same next attempt,
   * except as in {@link SessionBackoff.waitMs}. Rejects when that fails or `signal` aborts.
   */
  async transport(signal: AbortSignal, neededByMs?: number): Promise<Transport> {
    const { connect, transport } = this.#link;
    if (connect !== undefined) {
      try {
        const failures = this.#failures;
        while (this.#opened === undefined && this.#backoff.waitMs(neededByMs) > 0) {
          await this.#backoff.wait(neededByMs, AbortSignal.any([signal, this.#abandon.signal]));
          // Others have made the next attempt before this caller's turn: those whose answers would come too late.
          if (this.#opened === undefined && this.#failures !== failures) throw this.#failure;
        }
        this.#opened ??= this.#opening(connect.call(this.#link, this.#abandon.signal));
        await untilAborted(this.#opened, signal);
      } catch (error) {
        throw signal.aborted ? error : markAttempt(asError(error), "not-sent");
      }
    }
    return transport;
  }

  async retire(): Promise<void> {
    this.#leave();
    // However long they take: every call has a caller that cancels it in time.
    await this.#link.close(Infinity);
  }

  async close(): Promise<void> {
    this.#leave();
    await this.#link.close();
  }

  #leave(): void {
    this.#abandon.abort(new Error("the session with etcd was abandoned"));
    this.#lost();
  }

  /** The promise is kept until opening fails or the link is lost. */
  #opening(opening: Promise<void>): Promise<void> {
    const opened: Promise<void> = opening.then(() => {
      if (this.#opened !== opened) return;
      this.#open = true;
      this.#backoff.opened();
      this.#events.opened();
    }, (error) => {
      if (this.#opened === opened) {
        this.#opened = undefined;
        this.#failed(error);
      }
      throw error;
    });
    return opened;
  }

  /** For those who wait for the backoff, too. */
  #failed(error: unknown): void {
    this.#failures++;
    this.#failure = error;
    this.#backoff.failed();
  }

  #lost(): void {
    this.#opened = undefined;
    if (!this.#open) return;
    this.#open = false;
    this.#events.lost();
  }
}
