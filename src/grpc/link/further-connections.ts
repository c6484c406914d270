import { DEFAULT_CONNECT_BACKOFF } from "../../connection/connect-backoff.ts";
import type { Http2Connection } from "../../http2/client/connection.ts";
import { Backoff } from "../../time/backoff.ts";
import type { Clock, Timer } from "../../time/clock.ts";

/** A connection that ended sooner counts as one that can't be opened: otherwise it would be replaced in a busy loop. */
const HEALTHY_MS = 10_000;

interface Open {
  readonly sinceMs: number;
  /** When it is retired. */
  readonly age: Timer | undefined;
}

/** What {@link FurtherConnections} shares with its link. */
export interface FurtherSettings {
  readonly clock: Clock;
  readonly random: () => number;
  readonly maxAgeMs?: number | undefined;
}

/** What {@link FurtherConnections} needs from its link. */
export interface FurtherHost {
  /** Opens a connection and waits until it is ready. */
  open(signal: AbortSignal): Promise<Http2Connection>;
  /** Whether all open connections are full. */
  wanted(): boolean;
  /** There is room for calls that wait. */
  room(): void;
}

/**
 * The connections that a link has besides its first (gRFC A105). While all are full, another is opened, one at a time
 * and ahead of the next call; after a failure it is tried again with a backoff.
 */
export class FurtherConnections {
  readonly #most: number;
  readonly #clock: Clock;
  readonly #maxAgeMs: number | undefined;
  readonly #host: FurtherHost;
  readonly #random: () => number;
  readonly #backoff: Backoff;
  /** The open connections, oldest first. */
  readonly #open = new Map<Http2Connection, Open>();
  readonly #abort = new AbortController();
  #opening = false;
  #retry: Timer | undefined;

  constructor(most: number, { clock, maxAgeMs, random }: FurtherSettings, host: FurtherHost) {
    this.#most = most;
    this.#clock = clock;
    this.#random = random;
    this.#backoff = new Backoff(DEFAULT_CONNECT_BACKOFF, random);
    this.#maxAgeMs = maxAgeMs;
    this.#host = host;
  }

  /** How many more calls their server currently allows. */
  get room(): number {
    let room = 0;
    for (const { requests } of this.#open.keys()) room += Math.max(0, requests.room);
    return room;
  }

  has(connection: Http2Connection): boolean {
    return this.#open.has(connection);
  }

  /** The oldest with room, so that the newest are the first to become idle. */
  withRoom(): Http2Connection | undefined {
    for (const connection of this.#open.keys()) if (connection.requests.room > 0) return connection;
    return undefined;
  }

  /** Removes and returns the oldest. */
  shift(): Http2Connection | undefined {
    for (const connection of this.#open.keys()) {
      this.#delete(connection);
      return connection;
    }
    return undefined;
  }

  /** The connection was lost or is draining: another may take its place. */
  ended(connection: Http2Connection): void {
    const open = this.#open.get(connection);
    if (open === undefined) return;
    this.#delete(connection);
    if (this.#clock.now() - open.sinceMs < HEALTHY_MS) return this.#lookLater();
    this.#backoff.reset();
    this.look();
  }

  #delete(connection: Http2Connection): void {
    this.#open.get(connection)?.age?.cancel();
    this.#open.delete(connection);
  }

  /** Opens another connection if one is wanted and allowed. */
  look(): void {
    if (this.#opening || this.#retry !== undefined || this.#open.size >= this.#most) return;
    if (this.#abort.signal.aborted || !this.#host.wanted()) return;
    this.#opening = true;
    void this.#openOne();
  }

  async #openOne(): Promise<void> {
    try {
      const connection = await this.#host.open(this.#abort.signal);
      this.#opening = false;
      if (this.#abort.signal.aborted) return connection.close(0, 0);
      if (!connection.usable) return this.#lookLater();
      this.#open.set(connection, { sinceMs: this.#clock.now(), age: this.#ageOf(connection) });
      this.#host.room();
      this.look();
    } catch {
      this.#opening = false;
      this.#lookLater();
    }
  }

  #lookLater(): void {
    if (this.#abort.signal.aborted || this.#retry !== undefined) return;
    this.#retry = this.#clock.timer(this.#backoff.next(), () => {
      this.#retry = undefined;
      this.look();
    });
  }

  /** A connection is retired at its maximum age; another replaces it only once all are full. */
  #ageOf(connection: Http2Connection): Timer | undefined {
    if (this.#maxAgeMs === undefined) return undefined;
    return this.#clock.timer(this.#maxAgeMs * (0.9 + 0.2 * this.#random()), () => {
      this.#delete(connection);
      connection.close(Infinity, Infinity);
      this.look();
    });
  }

  /** Stops opening connections; the link closes those that are open. */
  close(): void {
    this.#abort.abort(new Error("the link was closed"));
    this.#retry?.cancel();
    for (const connection of [...this.#open.keys()]) this.#delete(connection);
  }
}
