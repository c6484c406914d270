// What users pass as `connect`.

import type { Duplex } from "../socket/duplex.ts";

/** Where a socket is opened to, as `cloudflare:sockets` (`hostname`) and Node's modules (`host`) spell it. */
export interface SocketTarget {
  readonly hostname: string;
  readonly host: string;
  readonly port: number;
  /** For TLS: the name that the server's certificate must be valid for. Node's modules read it. */
  readonly servername?: string;
}

/** What `connect` of `cloudflare:sockets` takes besides the address. */
export interface SocketOptions {
  readonly secureTransport: "on" | "off" | "starttls";
  readonly allowHalfOpen: boolean;
}

/** A socket that `connect` of `cloudflare:sockets` opens: two streams of bytes. */
export interface StreamSocket {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly opened: Promise<unknown>;
  readonly closed: Promise<unknown>;
  close(): Promise<unknown>;
  startTls?(options?: { expectedServerHostname?: string }): StreamSocket;
}

/**
 * Opens sockets: `connect` of `cloudflare:sockets`, or that of `node:net` or `node:tls`. The user passes it, because an
 * import of one of these modules would break every other platform.
 */
export type Connect =
  | ((target: SocketTarget, options: SocketOptions) => StreamSocket)
  | ((target: SocketTarget) => Duplex);
