// Listening sockets of Node, Bun and Deno.

import net from "node:net";
import tls from "node:tls";
import type { Peer, PeerCertificate } from "../http2/server/peer.ts";
import { DuplexStream } from "../socket/duplex-stream.ts";
import type {
  Listen,
  ListenAddress,
  Listener,
  ListenerEvents,
  ListenOptions,
  ListenSettings,
} from "../socket/listener.ts";
import { hostAndPort } from "../socket/socket-info.ts";
import { type Clock, MAX_DELAY_MS, type Timer } from "../time/clock.ts";
import { firstBytes } from "./first-bytes.ts";
import { readServerTls, type ServerTlsSource } from "./server-tls.ts";

/** How often certificates are read again, in milliseconds. */
const TLS_RELOAD_MS = 60_000;

/** Sockets that are half-open when a client ends its side: what it asked before that is still answered. */
const SOCKETS = { allowHalfOpen: true, noDelay: true } as const;

/** Opens a listening socket. */
export const listen: Listen<ServerTlsSource> = async (options, settings, events) => {
  const secure = settings.tls === undefined ? undefined : await readServerTls(settings.tls);
  const server = secure === undefined ? net.createServer(SOCKETS) : tls.createServer({
    noDelay: true,
    ...secure,
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: Math.min(settings.handshakeTimeoutMs, MAX_DELAY_MS),
  });
  await listening(server, options);
  const handshakes = new Handshakes(server, events, settings);
  const reload = secure === undefined ? undefined : new TlsReload(server as tls.Server, settings, events, secure);
  return {
    ...addressOf(server),
    close() {
      server.close();
      reload?.stop();
      handshakes.close();
    },
  } satisfies Listener;
};

function listening(server: net.Server, { host, path, port = 0 }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path === undefined ? { port, host } : { path }, () => {
      server.off("error", reject);
      // Errors of single connections, such as too many open files, don't end a server.
      server.on("error", () => {});
      resolve();
    });
  });
}

function addressOf(server: net.Server): ListenAddress {
  const address = server.address();
  if (address === null || typeof address === "string") return { address: `unix:${address}`, port: 0 };
  return { address: hostAndPort(address.address, address.port), port: address.port };
}

/** The sockets that are not one of HTTP/2's connections yet: in TLS's handshake, or silent. */
class Handshakes {
  readonly #events: ListenerEvents;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #silent = new Set<net.Socket>();
  /** Those in TLS's handshake, by where they come from: what follows from it is another object, with the same source. */
  readonly #shaking = new Map<string, net.Socket>();
  /** How many of Unix domain sockets, which all come from the same, are in TLS's handshake. */
  #shakingUnix = 0;
  #closed = false;

  constructor(server: net.Server, events: ListenerEvents, { clock, handshakeTimeoutMs }: ListenSettings<unknown>) {
    this.#events = events;
    this.#timeoutMs = handshakeTimeoutMs;
    this.#clock = clock;
    if (!(server instanceof tls.Server)) {
      server.on("connection", (socket) => {
        if (this.#admitted(socket)) this.#opened(socket, { address: remoteOf(socket), secure: false });
      });
      return;
    }
    server.on("connection", (socket: net.Socket) => {
      if (!this.#admitted(socket)) return;
      if (socket.remotePort === undefined) {
        this.#shakingUnix++;
        socket.on("close", () => this.#shakingUnix--);
        return;
      }
      const from = remoteOf(socket);
      this.#shaking.set(from, socket);
      socket.on("close", () => {
        if (this.#shaking.get(from) === socket) this.#shaking.delete(from);
      });
    });
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    server.on("secureConnection", (socket) => {
      socket.on("error", () => {});
      // Not before: Node doesn't notice then that a client leaves during the handshake.
      socket.allowHalfOpen = true;
      const client = peerOf(socket);
      this.#shaking.delete(client.address!);
      if (socket.remotePort === undefined) {
        this.#shakingUnix--;
        socket.on("close", () => this.#shakingUnix++);
      }
      if (socket.alpnProtocol === "h2") this.#connected(socket, client);
      else this.#opened(socket, client);
    });
  }

  close(): void {
    this.#closed = true;
    for (const socket of [...this.#silent, ...this.#shaking.values()]) socket.destroy();
  }

  #admitted(socket: net.Socket): boolean {
    // Until something else listens: an error without a listener ends the process.
    socket.on("error", () => {});
    if (!this.#closed && this.#events.admits(this.#silent.size + this.#shaking.size + this.#shakingUnix)) {
      return true;
    }
    socket.destroy();
    return false;
  }

  /** What the client speaks is known by its first bytes. */
  #opened(socket: net.Socket, client: Peer): void {
    this.#silent.add(socket);
    const timer = this.#clock.timer(this.#timeoutMs, () => socket.destroy());
    firstBytes(socket, (isHttp2) => {
      timer.cancel();
      this.#silent.delete(socket);
      if (isHttp2) this.#connected(socket, client);
      else if (isHttp2 === undefined) socket.destroy();
      else this.#http1(socket, client);
    });
  }

  #connected(socket: net.Socket, client: Peer): void {
    this.#events.connection(new DuplexStream(socket, undefined, "to the system"), client);
  }

  #http1(socket: net.Socket, client: Peer): void {
    if (this.#events.http1 !== undefined) {
      return this.#events.http1(socket, client);
    }
    const text = "This port speaks gRPC and Connect over HTTP/2 alone (curl: --http2-prior-knowledge).\n";
    socket.end(
      "HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: text/plain\r\nConnection: close\r\n" +
        `Content-Length: ${text.length}\r\n\r\n${text}`,
      () => socket.destroySoon(),
    );
    socket.resume();
  }
}

function remoteOf({ remoteAddress, remotePort }: net.Socket): string {
  return remoteAddress === undefined || remotePort === undefined ? "unix:" : hostAndPort(remoteAddress, remotePort);
}

function peerOf(socket: tls.TLSSocket): Peer {
  // Deno reports clients as authorized that were not asked for a certificate.
  const certificate = socket.authorized ? socket.getPeerCertificate() as PeerCertificate | undefined : undefined;
  return {
    address: remoteOf(socket),
    secure: true,
    ...(certificate?.raw === undefined ? {} : { certificate }),
  };
}

/** Reads certificates again now and then, and uses them for connections from then on. */
class TlsReload {
  readonly #server: tls.Server;
  readonly #settings: ListenSettings<ServerTlsSource>;
  readonly #events: ListenerEvents;
  #used: tls.TlsOptions;
  #timer: Timer | undefined;

  constructor(
    server: tls.Server,
    settings: ListenSettings<ServerTlsSource>,
    events: ListenerEvents,
    used: tls.TlsOptions,
  ) {
    this.#server = server;
    this.#settings = settings;
    this.#events = events;
    this.#used = used;
    if (typeof settings.tls === "function") this.#wait();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wait(): void {
    this.#timer = this.#settings.clock.timer(TLS_RELOAD_MS, () => void this.#reload());
  }

  async #reload(): Promise<void> {
    try {
      const options = await readServerTls(this.#settings.tls!);
      // The same ones again would end the sessions that clients can resume.
      if (this.#timer !== undefined && !sameTls(options, this.#used)) {
        this.#server.setSecureContext(options);
        this.#used = options;
      }
    } catch (error) {
      this.#events.tlsError(error instanceof Error ? error : new Error(String(error)));
    }
    if (this.#timer !== undefined) this.#wait();
  }
}

function sameTls(a: tls.TlsOptions, b: tls.TlsOptions): boolean {
  return String(a.cert) === String(b.cert) && String(a.key) === String(b.key) && String(a.ca) === String(b.ca);
}
