import { Code, ConnectError } from "@connectrpc/connect";
import type { Connector, Link, LinkEvents } from "../connection/link.ts";
import { markAttempt } from "../connection/mark.ts";
import type { Endpoint } from "../endpoint.ts";
import { GRPC_OPTIONS, type GrpcOptions } from "../grpc/options.ts";
import { createGrpcTransport } from "../grpc/transport.ts";
import type { ByteStream } from "../http2/byte-stream.ts";
import { Connection } from "../http2/connection.ts";
import { ErrorCode, Http2Error } from "../http2/error.ts";
import { KEEPALIVE_OPTIONS, type KeepaliveOptions } from "../http2/keepalive.ts";
import { HTTP2_LIMITS, type Http2Limits } from "../http2/limits.ts";
import { checkOptions, type Checks, clock, fn, group, made, milliseconds, or } from "../option.ts";
import { systemClock } from "../time/clock.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { Dial, DialTarget } from "./dial.ts";
import { proxyDial, type ProxySource, proxySource } from "./proxy.ts";
import { whyNot } from "./socket-error.ts";
import { destinationOf } from "./socket.ts";
import type { Destination } from "./socket.ts";
import { type TlsOptions, type TlsSource, tlsSource } from "./tls-options.ts";

export type { Dial, DialTarget, KeepaliveOptions, ProxySource, TlsOptions, TlsSource };

/** Options of {@link grpcConnector}. */
export interface GrpcConnectorOptions extends GrpcOptions {
  /**
   * TLS for endpoints that don't say `secure: false`. Undefined: plaintext, except for `secure: true`. A function is asked
   * at each opening, for certificates that change.
   */
  tls?: TlsSource | undefined;
  /**
   * An HTTP proxy through which servers are reached (CONNECT), as a URL like `http://user:password@proxy:3128`, or a
   * function that chooses one for each server: `proxyFromEnvironment()`. The proxy resolves the servers' names, and TLS,
   * where it is on, runs inside the tunnel. Defaults to none.
   */
  proxy?: string | URL | ProxySource | undefined;
  /** Opens connections in a way of your own; not together with `proxy`. Defaults to TCP and Unix sockets. */
  dial?: Dial | undefined;
  /**
   * Pings when nothing comes, to notice peers that vanished without a word; false: none. Defaults to 30 s of silence and
   * 10 s for the answer, and none while no call is open. A server that finds them too many is pinged half as often from
   * then on (gRFC A8).
   */
  keepalive?: KeepaliveOptions | false | undefined;
  /** How long opening may take until the server's SETTINGS are there, in milliseconds. Defaults to 20,000 (gRPC). */
  connectTimeoutMs?: number | undefined;
  /**
   * How old a connection may become, in milliseconds, give or take a tenth: then another is opened, and when that is
   * ready, the old one takes no new calls and ends with its last. For certificates that change, and balancers in between.
   * Defaults to none.
   */
  maxAgeMs?: number | undefined;
  /** What the connection allows the server. */
  limits?: Http2Limits | undefined;
  /** Defaults to the runtime's. */
  clock?: Clock | undefined;
}

/**
 * gRPC over HTTP/2 of this library's own for Node, Bun and Deno: one connection per endpoint, opened ahead of calls, over
 * plaintext or TLS.
 *
 * An endpoint's address is `host:port` or `unix:/path`; its `authority`, if any, is what the server is called by
 * (`:authority`, and TLS server name unless `tls.servername` is given), whatever the address.
 *
 * Calls on a link that isn't open are not sent: the balanced transport opens links and waits for them.
 *
 * @throws TypeError or RangeError for options of the wrong type or range.
 */
export function grpcConnector(options: GrpcConnectorOptions = {}): Connector {
  checkOptions("grpcConnector()", options, OPTIONS);
  const { keepalive = {} } = options;
  const settings: LinkSettings = {
    ...options,
    clock: options.clock ?? systemClock,
    connectTimeoutMs: options.connectTimeoutMs ?? 20_000,
    keepalive: keepalive === false ? undefined : {
      withoutCalls: keepalive.withoutCalls ?? false,
      intervalMs: keepalive.intervalMs ?? 30_000,
      timeoutMs: keepalive.timeoutMs ?? 10_000,
    },
  };
  if (options.dial !== undefined && options.proxy !== undefined) {
    throw new TypeError("options dial and proxy don't go together");
  }
  const dial = options.proxy === undefined ? options.dial : proxyDial(options.proxy);
  return (endpoint, events) => new GrpcLink(endpoint, destinationOf(endpoint, options.tls, dial), settings, events);
}

made(grpcConnector);

const OPTIONS: Checks<GrpcConnectorOptions> = {
  ...GRPC_OPTIONS,
  tls: tlsSource,
  proxy: proxySource,
  dial: fn("a function, ({ host, port, path, endpoint }, signal) => an open duplex stream"),
  keepalive: or(false, group("an object or false", "keepalive", KEEPALIVE_OPTIONS)),
  connectTimeoutMs: milliseconds,
  maxAgeMs: milliseconds,
  limits: group("an object", "limits", HTTP2_LIMITS),
  clock,
};

type LinkSettings = Omit<GrpcConnectorOptions, "keepalive"> & {
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly keepalive: (KeepaliveOptions & { readonly intervalMs: number }) | undefined;
};

/** A link over one connection at a time; connections that drain live on beside it. */
class GrpcLink implements Link {
  readonly protocol = "grpc";
  readonly transport: Link["transport"];
  readonly #endpoint: Endpoint;
  readonly #destination: Destination;
  readonly #settings: LinkSettings;
  readonly #events: LinkEvents;
  readonly #connections = new Set<Connection>();
  /** What calls go to. */
  #current: Connection | undefined;
  /** The connection whose end the owner of the link is to hear of: the one that is, or drains after being, current. */
  #announced: Connection | undefined;
  #connecting: Promise<void> | undefined;
  readonly #openings = new Set<AbortController>();
  #closed = false;
  #pingIntervalFactor = 1;
  #age: Timer | undefined;
  /** Settled when the link is closed and its last connection has ended. */
  #empty: Promise<void> | undefined;
  #whenEmpty: (() => void) | undefined;

  constructor(endpoint: Endpoint, destination: Destination, settings: LinkSettings, events: LinkEvents) {
    this.#endpoint = endpoint;
    this.#destination = destination;
    this.#settings = settings;
    this.#events = events;
    const { authority, scheme } = destination;
    this.transport = createGrpcTransport(() => this.#open(), { ...settings, authority, scheme });
  }

  get room(): number | undefined {
    return this.#current?.requests.room;
  }

  giveBack(): void {
    for (const connection of this.#connections) connection.giveBack();
  }

  #open(): Connection {
    if (this.#current !== undefined) return this.#current;
    const why = this.#closed ? "is closed" : "is not open";
    const text = `the request was not sent: the connection to ${this.#endpoint.address} ${why}`;
    throw markAttempt(new ConnectError(text, Code.Unavailable), "not-sent");
  }

  connect(signal: AbortSignal): Promise<void> {
    return this.#connecting ??= this.#connect(signal).finally(() => this.#connecting = undefined);
  }

  async #connect(signal: AbortSignal): Promise<void> {
    if (this.#current?.usable) return;
    this.#announced = undefined;
    this.#use(await this.#dial(signal));
  }

  #use(connection: Connection): void {
    this.#current = this.#announced = connection;
    const { clock, maxAgeMs } = this.#settings;
    if (maxAgeMs === undefined) return;
    // gRFC A9's jitter, so that the connections of many clients are not all replaced at once.
    this.#age?.cancel();
    this.#age = clock.timer(maxAgeMs * (0.9 + 0.2 * Math.random()), () => void this.#replace(connection));
  }

  /** Opens another connection beside an aged one; only when it is ready does the old one take no new calls. */
  async #replace(old: Connection): Promise<void> {
    if (this.#closed || this.#current !== old) return;
    let connection: Connection;
    try {
      connection = await this.#dial(new AbortController().signal);
    } catch {
      // The old one still works: try again at the next age.
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
  async #dial(signal: AbortSignal): Promise<Connection> {
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
      if (!connection.usable) throw new Error("the server closed the connection at once");
      return connection;
    } catch (error) {
      signal.throwIfAborted();
      throw new Error(`can't connect to ${address}: ${whyNot(error, this.#destination.scheme)}`, { cause: error });
    } finally {
      this.#openings.delete(opening);
      timer.cancel();
      signal.removeEventListener("abort", abort);
    }
  }

  /** Starts HTTP/2 on a byte stream and waits for the server's SETTINGS. */
  #ready(bytes: ByteStream, signal: AbortSignal): Promise<Connection> {
    const { clock, keepalive, limits } = this.#settings;
    return new Promise((resolve, reject) => {
      bytes.hold(true);
      const abort = () => {
        reject(signal.reason);
        connection.close(0, 0);
      };
      const connection = new Connection(bytes, {
        ready() {
          signal.removeEventListener("abort", abort);
          bytes.hold(false);
          resolve(connection);
        },
        draining: () => {
          if (this.#current !== connection) return;
          this.#current = undefined;
          if (!this.#closed) this.#events.draining();
        },
        lost: (cause) => {
          signal.removeEventListener("abort", abort);
          reject(cause ?? new Error("the server closed the connection"));
          this.#lost(connection, cause);
        },
        // A link that is used alone has calls wait at their connection.
        ...this.#events.room !== undefined && { room: () => this.#hasRoom(connection) },
      }, {
        clock,
        limits,
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

  #hasRoom(connection: Connection): void {
    if (this.#current === connection && !this.#closed) this.#events.room?.();
  }

  #lost(connection: Connection, cause: Error | undefined): void {
    this.#connections.delete(connection);
    // gRFC A8: the server says that it is pinged too often.
    if (
      cause instanceof Http2Error && cause.code === ErrorCode.ENHANCE_YOUR_CALM && /too_many_pings/.test(cause.message)
    ) {
      this.#pingIntervalFactor *= 2;
    }
    if (this.#announced === connection) {
      this.#announced = this.#current = undefined;
      if (!this.#closed) this.#events.lost(cause);
    }
    if (this.#connections.size === 0) this.#whenEmpty?.();
  }

  async close(graceMs = 0, streamGraceMs = graceMs): Promise<void> {
    this.#closed = true;
    this.#current = undefined;
    this.#age?.cancel();
    for (const opening of this.#openings) opening.abort(new Error("the link was closed"));
    this.#empty ??= new Promise((resolve) => this.#whenEmpty = resolve);
    for (const connection of [...this.#connections]) connection.close(graceMs, streamGraceMs);
    if (this.#connections.size === 0) this.#whenEmpty?.();
    await this.#empty;
  }
}
