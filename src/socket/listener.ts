import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { ByteStream } from "../http2/byte-stream.ts";
import type { Peer } from "../http2/server/peer.ts";
import type { Clock } from "../time/clock.ts";
import type { Duplex } from "./duplex.ts";

/** Where a server listens: a port, or a path of a Unix domain socket. */
export interface ListenOptions {
  /** The port; 0 lets the system choose one. */
  port?: number | undefined;
  /** The address to listen on, such as `127.0.0.1`. Defaults to all addresses of the machine. */
  host?: string | undefined;
  /** The path of a Unix domain socket, in place of a port. */
  path?: string | undefined;
}

/** Where a server is listening. */
export interface ListenAddress {
  /** `127.0.0.1:50051`, `[::1]:50051` or `unix:/run/app.sock`: as endpoints and registries spell it. */
  readonly address: string;
  /** The port; 0 for a Unix domain socket. */
  readonly port: number;
}

/** What a listener does with its connections. */
export interface ListenerEvents {
  /** Whether one more connection is accepted, while this many of the listener's are in their handshakes. */
  admits(waiting: number): boolean;
  /** A client that speaks HTTP/2. */
  connection(bytes: ByteStream, client: Peer): void;
  /** A client that speaks HTTP/1.1, with what it sent still to be read. Without it, such clients learn why not. */
  http1?: ((socket: Duplex, client: Peer) => void) | undefined;
  /** New certificates could not be read: the previous ones stay in use. */
  tlsError(error: Error): void;
}

/** A listening socket. */
export interface Listener extends ListenAddress {
  /** Stops listening, and closes the connections that have not become one of HTTP/2 yet. */
  close(): void;
}

/** How a listener accepts connections; `Tls` are the runtime's options for TLS. */
export interface ListenSettings<Tls> {
  readonly tls: Tls | undefined;
  readonly handshakeTimeoutMs: number;
  readonly clock: Clock;
}

/** Opens listening sockets. Rejects if that is not possible. */
export type Listen<Tls> = (
  options: ListenOptions,
  settings: ListenSettings<Tls>,
  events: ListenerEvents,
) => Promise<Listener>;

/** Answers a request of HTTP/1.1. Never rejects. */
export type Http1Answer = (request: UniversalServerRequest, client: Peer) => Promise<UniversalServerResponse>;

/** Serves sockets that speak HTTP/1.1, which something else has accepted. */
export interface Http1Server {
  serve(socket: Duplex, client: Peer): void;
  /** Ends idle sockets, and others after their responses. */
  close(): void;
  /** Ends all sockets. */
  destroy(): void;
}
