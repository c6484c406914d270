import { Code, ConnectError } from "@connectrpc/connect";
import type { Link } from "../connection/link.ts";
import { markAttempt } from "../connection/mark.ts";
import { type Endpoint, endpointIdentity } from "../endpoint.ts";
import type { LinkSettings } from "../grpc/link/options.ts";
import { ForeignSocketError } from "../http2/foreign-socket.ts";
import type { Timer } from "../time/clock.ts";
import { untilAborted } from "../time/until-aborted.ts";
import { workerLink, type WorkerSocketOptions } from "./link.ts";

/** Which sockets there may be, and how they are opened. */
export interface SocketsOptions extends WorkerSocketOptions {
  /** How many sockets may be open at a time. */
  readonly maxSockets: number;
  /** How long sockets stay open while no call is in flight, in milliseconds. */
  readonly idleMs: number;
  readonly settings: LinkSettings;
}

/** A place among the sockets, taken for one call. */
export interface Place {
  readonly link: Link;
  /** Settles once the link is open. Rejects with an error marked as `not-sent`. */
  readonly opened: Promise<void>;
  /** The call was answered, or failed. A stream that is still open keeps its socket open by itself. */
  release(): void;
}

/** One endpoint's link. It counts as a socket until all sockets that it opened are closed. */
interface Entry {
  readonly link: Link;
  readonly closings: Promise<unknown>[];
  opened: Promise<void>;
  /** Calls that have not begun to be answered. */
  calls: number;
  /** Whether its connection has calls, answered or not. */
  held: boolean;
}

/**
 * The sockets of one place that owns sockets: a request of a Worker, or a Durable Object. A socket is opened at the
 * first call to its endpoint and shared by all calls to it. There are at most `maxSockets`: for one more, the least
 * recently used one that has no call is closed, or the call waits until there is one. All are closed when no call has
 * been in flight for `idleMs`.
 */
export class Sockets {
  readonly #options: SocketsOptions;
  /** The links that take calls, least recently used first. */
  readonly #links = new Map<string, Entry>();
  /** All that count: these, and those that are closing. */
  readonly #counted = new Set<Entry>();
  /** Calls that wait for a place, in order. */
  readonly #waiting: (() => void)[] = [];
  #idle: Timer | undefined;

  constructor(options: SocketsOptions) {
    this.#options = options;
  }

  get maxSockets(): number {
    return this.#options.maxSockets;
  }

  /** How many sockets are open, opening or closing. */
  get size(): number {
    return this.#counted.size;
  }

  /** Takes a place for one call to an endpoint. @throws the signal's reason if it aborts while the call waits. */
  async take(endpoint: Endpoint, signal: AbortSignal): Promise<Place> {
    const identity = endpointIdentity(endpoint);
    this.#idle?.cancel();
    const entry = this.#enter(identity) ?? await this.#newEntry(identity, endpoint, signal);
    let released = false;
    return {
      link: entry.link,
      opened: entry.opened,
      release: () => {
        if (released) return;
        released = true;
        entry.calls--;
        this.#rested(entry);
      },
    };
  }

  /** The call counts from here on, so that its link isn't closed for another. */
  #enter(identity: string): Entry | undefined {
    const entry = this.#links.get(identity);
    if (entry === undefined) return undefined;
    entry.calls++;
    this.#links.delete(identity);
    this.#links.set(identity, entry);
    return entry;
  }

  async #newEntry(identity: string, endpoint: Endpoint, signal: AbortSignal): Promise<Entry> {
    if (this.#waiting.length > 0) await this.#turn(signal, this.#waiting.length);
    for (;;) {
      const opened = this.#enter(identity);
      if (opened !== undefined) {
        this.#wake();
        return opened;
      }
      if (this.#counted.size < this.#options.maxSockets) return this.#open(identity, endpoint);
      // One that is already closing makes room.
      if (this.#counted.size === this.#links.size) this.#closeIdle();
      await this.#turn(signal, 0);
    }
  }

  /** Waits at this position of the line. */
  async #turn(signal: AbortSignal, position: number): Promise<void> {
    let wake!: () => void;
    const woken = new Promise<void>((resolve) => wake = resolve);
    this.#waiting.splice(position, 0, wake);
    try {
      await untilAborted(woken, signal);
    } catch (error) {
      const index = this.#waiting.indexOf(wake);
      if (index >= 0) this.#waiting.splice(index, 1);
      else this.#wake(); // Its turn came too late for it.
      this.#closeLater();
      throw error;
    }
  }

  /** A place is free, or a link without calls can make room. */
  #wake(): void {
    this.#waiting.shift()?.();
  }

  #closeIdle(): void {
    for (const [identity, entry] of this.#links) if (!isBusy(entry)) return this.#close(identity, entry);
  }

  #open(identity: string, endpoint: Endpoint): Entry {
    const closings: Promise<unknown>[] = [];
    const gone = (cause?: Error) => {
      // What another request opened ended with that, but never says so.
      if (cause instanceof ForeignSocketError) closings.length = 0;
      if (this.#links.get(identity) === entry) this.#close(identity, entry);
    };
    const { settings } = this.#options;
    const link = workerLink(endpoint, this.#options, settings, { lost: gone, draining: () => gone() }, {
      closes: (closed) => void closings.push(closed.catch(() => {})),
      hold: (on) => {
        entry.held = on;
        this.#rested(entry);
      },
    });
    const entry: Entry = { link, closings, calls: 1, held: false, opened: Promise.resolve() };
    entry.opened = link.connect!(new AbortController().signal).catch((cause) => {
      gone();
      throw markAttempt(new ConnectError(cause.message, Code.Unavailable, undefined, undefined, cause), "not-sent");
    });
    // Its calls may all have gone.
    entry.opened.catch(() => {});
    this.#links.set(identity, entry);
    this.#counted.add(entry);
    return entry;
  }

  /** Takes a link out of use; calls that it has go on. */
  #close(identity: string, entry: Entry): void {
    this.#links.delete(identity);
    void entry.link.close(Infinity).then(() => Promise.all(entry.closings)).then(() => {
      this.#counted.delete(entry);
      this.#wake();
    });
  }

  /** A call ended, or was answered: its link may be idle now. */
  #rested(entry: Entry): void {
    if (isBusy(entry)) return;
    this.#wake();
    this.#closeLater();
  }

  #closeLater(): void {
    const { settings: { clock }, idleMs } = this.#options;
    if (idleMs === Infinity || this.#busy) return;
    this.#idle?.cancel();
    this.#idle = clock.timer(idleMs, () => {
      if (!this.#busy) this.close();
    });
  }

  get #busy(): boolean {
    return this.#waiting.length > 0 || [...this.#links.values()].some(isBusy);
  }

  /** Closes all sockets; those with calls when these have ended. */
  close(): void {
    for (const [identity, entry] of [...this.#links]) this.#close(identity, entry);
  }
}

function isBusy({ calls, held }: Entry): boolean {
  return calls > 0 || held;
}
