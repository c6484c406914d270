import type { Transport } from "@connectrpc/connect";
import type { Connector, Link } from "../../../connection/link.ts";
import { markAttempt } from "../../../connection/mark.ts";
import type { Endpoint } from "../../../endpoint.ts";
import { asError } from "../../../error-text.ts";
import { untilAborted } from "../../../time/until-aborted.ts";
import type { Session, SessionEvents } from "../sessions.ts";

/** A link to one etcd endpoint: opened on first use, and reopened after it was lost. */
export class ConnectSession implements Session {
  readonly #link: Link;
  readonly #events: SessionEvents;
  /** Set while the link is open or being opened. */
  #opened: Promise<void> | undefined;
  #open = false;
  /** Aborts a connection attempt that no caller waits for any more. */
  readonly #abandon = new AbortController();

  constructor(connector: Connector, endpoint: Endpoint, events: SessionEvents) {
    this.#events = events;
    const lost = () => this.#lost();
    this.#link = connector(endpoint, { draining: lost, lost, pingsNeedCalls: true });
  }

  /** The link's transport, once it is open. Rejects when it can't be opened or `signal` aborts. */
  async transport(signal: AbortSignal): Promise<Transport> {
    const { connect, transport } = this.#link;
    if (connect !== undefined) {
      this.#opened ??= this.#opening(connect.call(this.#link, this.#abandon.signal));
      try {
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
      this.#events.opened();
    }, (error) => {
      if (this.#opened === opened) this.#opened = undefined;
      throw error;
    });
    return opened;
  }

  #lost(): void {
    this.#opened = undefined;
    if (!this.#open) return;
    this.#open = false;
    this.#events.lost();
  }
}
