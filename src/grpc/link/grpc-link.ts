import { Code, ConnectError } from "@connectrpc/connect";
import type { Link, LinkEvents } from "../../connection/link.ts";
import { markAttempt } from "../../connection/mark.ts";
import type { Endpoint } from "../../endpoint.ts";
import type { ByteStream } from "../../http2/byte-stream.ts";
import { Http2Connection } from "../../http2/client/connection.ts";
import { Http2Error } from "../../http2/wire/error.ts";
import * as ErrorCode from "../../http2/wire/error-code.ts";
import type { SocketSnapshot } from "../../snapshot.ts";
import type { Timer } from "../../time/clock.ts";
import type { Destination } from "./destination.ts";
import type { FurtherConnections } from "./further-connections.ts";
import type { LinkSettings } from "./options.ts";
import { whyNot } from "./why-not.ts";

/**
 * A link over one connection at a time, and further ones while that is full and more are allowed; draining connections
 * live on beside them.
 */
export class GrpcLink implements Link {
  readonly protocol = "grpc";
  readonly transport: Link["transport"];
  #background: Link["transport"] | undefined;
  readonly #endpoint: Endpoint;
  readonly #destination: Destination;
  readonly #settings: LinkSettings;
  readonly #events: LinkEvents;
  readonly #connections = new Set<Http2Connection>();
  /** The connection that calls go to. */
  #current: Http2Connection | undefined;
  /** The connection whose end is reported to the link's owner: the current one, or the last one while it drains. */
  #announced: Http2Connection | undefined;
  /** Set if more than one connection is allowed. */
  readonly #further: FurtherConnections | undefined;
  #connecting: Promise<void> | undefined;
  readonly #openings = new Set<AbortController>();
  #closed = false;
  #pingIntervalFactor = 1;
  #age: Timer | undefined;
  /** Settles when the link is closed and its last connection has ended. */
  #empty: Promise<void> | undefined;
  #whenEmpty: (() => void) | undefined;

  constructor(endpoint: Endpoint, destination: Destination, settings: LinkSettings, events: LinkEvents) {
    this.#endpoint = endpoint;
    this.#destination = destination;
    this.#settings = settings;
    this.#events = events;
    this.transport = this.#createTransport({});
    this.#further = settings.further?.({
      open: (signal) => this.#dial(signal),
      wanted: () => this.#current !== undefined && this.#roomNow(this.#current) <= 0,
      room: () => this.#events.room?.(),
    });
  }

  /** Most links need none. */
  get background(): Link["transport"] {
    return this.#background ??= this.#createTransport({ background: true });
  }

  #createTransport(which: { readonly background?: true }): Link["transport"] {
    const { authority, scheme } = this.#destination;
    return this.#settings.createTransport(() => this.#open(), { ...this.#settings, authority, scheme, ...which });
  }

  get room(): number | undefined {
    const current = this.#current;
    if (current === undefined) return undefined;
    return this.#further === undefined ? current.requests.room : this.#roomNow(current);
  }

  #roomNow(current: Http2Connection): number {
    const { room } = current.requests;
    return this.#further === undefined ? room : Math.max(0, room) + this.#further.room;
  }

  giveBack(): void {
    for (const connection of this.#connections) connection.giveBack();
  }

  sockets(): SocketSnapshot[] {
    return [...this.#connections].map((connection) => connection.snapshot());
  }

  #open(): Http2Connection {
    const current = this.#current;
    if (current !== undefined) {
      return this.#further === undefined || current.requests.room > 0 ? current : this.#further.withRoom() ?? current;
    }
    const why = this.#closed ? "is closed" : "is not open";
    const text = `the request was not sent: the connection to ${this.#endpoint.address} ${why}`;
    throw markAttempt(new ConnectError(text, Code.Unavailable), "not-sent");
  }

  connect(signal: AbortSignal): Promise<void> {
    return this.#connecting ??= this.#connect(signal).finally(() => this.#connecting = undefined);
  }

  async #connect(signal: AbortSignal): Promise<void> {
    if (this.#current?.usable || this.#goesOn()) return;
    this.#announced = undefined;
    this.#use(await this.#dial(signal));
  }

  #use(connection: Http2Connection): void {
    this.#current = this.#announced = connection;
    this.#further?.look();
    const { clock, maxAgeMs, random } = this.#settings;
    if (maxAgeMs === undefined) return;
    // gRFC A9's jitter, so that the connections of many clients are not all replaced at once.
    this.#age?.cancel();
    this.#age = clock.timer(maxAgeMs * (0.9 + 0.2 * random()), () => void this.#replace(connection));
  }

  /** Opens another connection beside an aged one, which takes new calls until the other is ready. */
  async #replace(old: Http2Connection): Promise<void> {
    if (this.#closed || this.#current !== old) return;
    let connection: Http2Connection;
    try {
      connection = await this.#dial(new AbortController().signal);
    } catch {
      // The old one still works: try again after another `maxAgeMs`.
      if (this.#current === old) this.#use(old);
      return;
    }
    if (this.#current === old) {
      this.#use(connection);
      old.close(Infinity, Infinity);
      this.#hasRoom(connection);
    } else {
      connection.close(0, 0);
    }
  }

  /** Opens a connection and waits until it is ready. */
  async #dial(signal: AbortSignal): Promise<Http2Connection> {
    const { address } = this.#endpoint;
    if (this.#closed) throw new Error(`the link to ${address} is closed`);
    signal.throwIfAborted();
    const { clock, connectTimeoutMs } = this.#settings;
    const opening = new AbortController();
    this.#openings.add(opening);
    const abort = () => opening.abort(signal.reason);
    signal.addEventListener("abort", abort);
    const timer = clock.timer(connectTimeoutMs, () => {
      opening.abort(new Error(`no HTTP/2 server answered within ${connectTimeoutMs} ms`));
    }, true);
    try {
      const connection = await this.#ready(await this.#destination.open(opening.signal), opening.signal);
      if (!connection.usable) throw new Error("the server closed the connection immediately");
      return connection;
    } catch (error) {
      signal.throwIfAborted();
      throw new Error(`can't connect to ${address}: ${whyNot(error, this.#destination)}`, { cause: error });
    } finally {
      this.#openings.delete(opening);
      timer.cancel();
      signal.removeEventListener("abort", abort);
    }
  }

  /** Starts HTTP/2 on a byte stream and waits for the server's SETTINGS. */
  #ready(bytes: ByteStream, signal: AbortSignal): Promise<Http2Connection> {
    const { clock, keepalive, limits, scheduleFlush } = this.#settings;
    return new Promise((resolve, reject) => {
      bytes.hold(true);
      const abort = () => {
        reject(signal.reason);
        connection.close(0, 0);
      };
      const connection = new Http2Connection(bytes, {
        ready() {
          signal.removeEventListener("abort", abort);
          bytes.hold(false);
          resolve(connection);
        },
        draining: (goaway) => {
          this.#further?.ended(connection);
          if (this.#current !== connection || this.#goesOn()) return;
          this.#current = undefined;
          if (!this.#closed) this.#events.draining(goaway);
        },
        lost: (cause) => {
          signal.removeEventListener("abort", abort);
          reject(cause ?? new Error("the server closed the connection"));
          this.#lost(connection, cause);
        },
        // On a link that is used alone, calls wait at their connection.
        ...this.#events.room !== undefined && { room: () => this.#hasRoom(connection) },
        ...this.#further !== undefined && { full: () => this.#further?.look() },
      }, {
        clock,
        limits,
        scheduleFlush,
        keepalive: keepalive && {
          ...keepalive,
          intervalMs: keepalive.intervalMs * this.#pingIntervalFactor,
          pingsNeedCalls: this.#events.pingsNeedCalls,
        },
      });
      this.#connections.add(connection);
      signal.addEventListener("abort", abort);
      if (signal.aborted) abort();
    });
  }

  #hasRoom(connection: Http2Connection): void {
    if (this.#closed) return;
    if (this.#current === connection || this.#further?.has(connection)) this.#events.room?.();
  }

  /** Lets another connection take the place of the current one, if there is one: its end is then not reported. */
  #goesOn(): boolean {
    const next = this.#closed ? undefined : this.#further?.shift();
    if (next !== undefined) this.#use(next);
    return next !== undefined;
  }

  #lost(connection: Http2Connection, cause: Error | undefined): void {
    this.#connections.delete(connection);
    this.#further?.ended(connection);
    // gRFC A8: the server says that it is pinged too often.
    if (
      cause instanceof Http2Error && cause.code === ErrorCode.ENHANCE_YOUR_CALM && /too_many_pings/.test(cause.message)
    ) {
      this.#pingIntervalFactor *= 2;
    }
    if (this.#announced === connection && !(this.#current === connection && this.#goesOn())) {
      this.#announced = this.#current = undefined;
      if (!this.#closed) this.#events.lost(cause);
    }
    if (this.#connections.size === 0) this.#whenEmpty?.();
  }

  async close(graceMs: number = 0, streamGraceMs: number = graceMs): Promise<void> {
    this.#closed = true;
    this.#current = undefined;
    this.#age?.cancel();
    this.#further?.close();
    for (const opening of this.#openings) opening.abort(new Error("the link was closed"));
    this.#empty ??= new Promise((resolve) => this.#whenEmpty = resolve);
    for (const connection of [...this.#connections]) connection.close(graceMs, streamGraceMs);
    if (this.#connections.size === 0) this.#whenEmpty?.();
    await this.#empty;
  }
}
