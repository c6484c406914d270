// A server's connections and listening sockets, whatever is spoken on them.

import type { ByteStream } from "../http2/byte-stream.ts";
import { BufferedBytes } from "../http2/server/buffered-bytes.ts";
import { ServerConnection } from "../http2/server/connection.ts";
import { leastMs } from "../http2/server/lifetime.ts";
import type { ServerConnectionOptions } from "../http2/server/options.ts";
import type { Peer } from "../http2/server/peer.ts";
import { newRefusedCounter } from "../http2/server/refused.ts";
import { Rounds } from "../http2/server/rounds.ts";
import { Sweeper } from "../http2/server/sweeper.ts";
import { ErrorCode, Http2Error } from "../http2/wire/error.ts";
import { type CallCounts, nextId, type SocketSnapshot } from "../snapshot.ts";
import type { Duplex } from "../socket/duplex.ts";
import type { Http1Server, Listen, ListenAddress, Listener, ListenOptions } from "../socket/listener.ts";
import { socketInfo } from "../socket/socket-info.ts";
import { systemClock } from "../time/clock.ts";
import type { ServerSnapshot } from "./snapshot.ts";

/** What a {@link ServerHost} is made of. */
export interface HostOptions<Tls> {
  /** What all connections have in common. */
  readonly connection: Omit<ServerConnectionOptions, "client" | "buffered" | "refused" | "rounds" | "sweeper">;
  /** Runs something in the event loop's next turn. Defaults to a timer of 0 ms. */
  readonly nextTurn: ((run: () => void) => void) | undefined;
  readonly maxConnections: number;
  readonly maxBufferedBytes: number | undefined;
  readonly handshakeTimeoutMs: number;
  readonly listen: Listen<Tls>;
  readonly tls: Tls | undefined;
  /** What serves the sockets of clients that speak HTTP/1.1. */
  readonly http1: Http1Server | undefined;
  readonly onTlsError: (error: Error) => void;
}

/** What is one listening socket's own, in place of what the host has for all. */
export interface OwnOfListener<Tls> {
  readonly tls?: Tls | undefined;
  readonly http1?: Http1Server | undefined;
  /** Makes the streams of requests that came in on a port. */
  readonly accept?: ((port: number) => ServerConnectionOptions["accept"]) | undefined;
}

/** A connection of a client that speaks HTTP/1.1. */
interface Http1Socket {
  readonly id: number;
  readonly sinceMs: number;
  readonly client: Peer;
}

/** Accepts connections until it is closed. */
export class ServerHost<Tls> {
  readonly #options: HostOptions<Tls>;
  readonly #connections = new Set<ServerConnection>();
  readonly #sockets = new Map<Duplex, Http1Socket>();
  readonly #listeners = new Set<Listener>();
  readonly #http1 = new Set<Http1Server>();
  readonly #buffered: BufferedBytes;
  readonly #rounds: Rounds;
  readonly #sweeper: Sweeper;
  readonly #refused = newRefusedCounter();
  #closing = false;
  #whenEmpty: (() => void)[] = [];

  constructor(options: HostOptions<Tls>) {
    this.#options = options;
    this.#buffered = new BufferedBytes(options.maxBufferedBytes);
    const { times = {}, clock } = options.connection;
    this.#rounds = new Rounds(clock ?? systemClock, options.nextTurn);
    this.#sweeper = new Sweeper(clock, leastMs(times));
  }

  /** How many connections are open. */
  get size(): number {
    return this.#connections.size + this.#sockets.size;
  }

  async listen(where: ListenOptions, own: OwnOfListener<Tls> = {}): Promise<ListenAddress> {
    const { connection: { accept, clock = systemClock }, handshakeTimeoutMs, listen, maxConnections } = this.#options;
    const { onTlsError } = this.#options, tls = own.tls ?? this.#options.tls, http1 = own.http1 ?? this.#options.http1;
    let accepts = accept;
    if (this.#closing) throw new Error("the server is closed");
    const listener = await listen(where, { clock, handshakeTimeoutMs, tls }, {
      admits: (waiting) => {
        const admitted = this.size + waiting < maxConnections;
        if (!admitted && !this.#closing) this.#refused.connections++;
        return admitted;
      },
      connection: (bytes, client) => this.serve(bytes, client, accepts),
      http1: http1 && ((socket, client) => this.#serveHttp1(http1, socket, client)),
      tlsError: onTlsError,
    });
    if (this.#closing) {
      listener.close();
      throw new Error("the server was closed while it began to listen");
    }
    this.#listeners.add(listener);
    if (http1 !== undefined) this.#http1.add(http1);
    if (own.accept !== undefined) accepts = own.accept(listener.port);
    return { address: listener.address, port: listener.port };
  }

  /** Serves one connection. */
  serve(
    bytes: ByteStream,
    client: Peer,
    accept: ServerConnectionOptions["accept"] = this.#options.connection.accept,
  ): void {
    const connection: ServerConnection = new ServerConnection(bytes, {
      closed: (cause) => {
        if (cause instanceof Http2Error && cause.code === ErrorCode.ENHANCE_YOUR_CALM) this.#refused.floods++;
        this.#connections.delete(connection);
        this.#left();
      },
      failed: (error) => console.error("connect-lb: a connection of the server ends because of an error", error),
    }, {
      ...this.#options.connection,
      accept,
      client,
      buffered: this.#buffered,
      refused: this.#refused,
      rounds: this.#rounds,
      sweeper: this.#sweeper,
    });
    this.#connections.add(connection);
    if (this.#closing) connection.drain();
  }

  #serveHttp1(http1: Http1Server, socket: Duplex, client: Peer): void {
    const { clock = systemClock } = this.#options.connection;
    this.#sockets.set(socket, { id: nextId(), sinceMs: clock.now(), client });
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#left();
    });
    http1.serve(socket, client);
  }

  /** The current state, with so many calls. */
  snapshot({ started, succeeded, failed }: CallCounts): ServerSnapshot {
    const { clock = systemClock } = this.#options.connection;
    const http2 = [...this.#connections].map((connection) => withClient(connection.snapshot(), connection.client));
    const http1 = [...this.#sockets].map(([socket, opened]) => http1Snapshot(socket, opened, this.#closing));
    return {
      nowMs: clock.now(),
      state: !this.#closing ? "serving" : this.size > 0 ? "draining" : "closed",
      addresses: [...this.#listeners].map(({ address }) => address),
      calls: { started, succeeded, failed },
      inFlight: started - succeeded - failed,
      refused: { ...this.#refused },
      connections: [...http2, ...http1].sort((a, b) => a.id - b.id),
    };
  }

  /** Stops listening, and drains the connections; resolves when all have ended. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const listener of this.#listeners) listener.close();
    this.#listeners.clear();
    for (const http1 of this.#http1) http1.close();
    for (const connection of this.#connections) connection.drain();
    if (this.size > 0) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
  }

  /** Ends all connections now. */
  destroy(): void {
    for (const connection of this.#connections) connection.close();
    for (const http1 of this.#http1) http1.destroy();
  }

  #left(): void {
    if (this.size > 0) return;
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }
}

/** What the listener knows of the client, and the socket does not. */
function withClient(snapshot: SocketSnapshot, { address, secure }: Peer): SocketSnapshot {
  return { ...snapshot, remote: address ?? snapshot.remote, secure: secure ?? snapshot.secure };
}

function http1Snapshot(socket: Duplex, { client, ...opened }: Http1Socket, draining: boolean): SocketSnapshot {
  const snapshot: SocketSnapshot = {
    ...socketInfo(socket, undefined),
    ...opened,
    protocol: "http/1.1",
    draining,
    streams: undefined,
    pings: 0,
    sendWindowBytes: undefined,
    receiveWindowBytes: undefined,
  };
  return withClient(snapshot, client);
}
