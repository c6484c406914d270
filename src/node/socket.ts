import net from "node:net";
import tls from "node:tls";
import type { Endpoint } from "../endpoint.ts";
import { parseAddress, unixPath } from "../endpoint.ts";
import type { ByteStream, ByteStreamEvents, OpenByteStream } from "../http2/byte-stream.ts";
import { systemClock } from "../time/clock.ts";
import type { Timer } from "../time/clock.ts";
import { untilAborted } from "../time/until-aborted.ts";
import { closedWhileOpened, NO_HTTP2, socketError } from "./socket-error.ts";
import type { SocketProgress } from "./socket-error.ts";
import { checkTlsOptions, type TlsSource } from "./tls-options.ts";
import { turn } from "./turn.ts";

/**
 * Whether TLS can negotiate HTTP/2 (ALPN, RFC 9113 section 3.2). workerd's `node:tls` can't: servers that insist on it are
 * out of reach there, the others have to speak HTTP/2 without being asked.
 */
const CAN_NEGOTIATE = globalThis.navigator?.userAgent !== "Cloudflare-Workers";

/** Where an endpoint is dialled and what it is called. */
export interface Destination {
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly open: OpenByteStream;
}

/**
 * Where an endpoint is dialled, over plaintext or TLS, and what it is called.
 *
 * @throws TypeError or RangeError for an address or authority that can't be called
 */
export function destinationOf(endpoint: Endpoint, source: TlsSource | undefined): Destination {
  const { address } = endpoint;
  const path = unixPath(address);
  const where = path === undefined ? parseAddress(address) : { path };
  const name = endpoint.authority ?? (path === undefined ? address : "localhost");
  const scheme = endpoint.secure ?? source !== undefined ? "https" : "http";
  const url = URL.canParse(`${scheme}://${name}`) ? new URL(`${scheme}://${name}`) : undefined;
  if (url === undefined || url.pathname !== "/" || url.username !== "" || url.search !== "" || url.hash !== "") {
    throw new TypeError(
      `authority ${JSON.stringify(name)} is no host name: expected for example "api.example.com:443"`,
    );
  }
  const { host: authority, hostname } = url;
  if (scheme === "http") {
    return {
      scheme,
      authority,
      open: (signal) => open(() => net.connect(where), "connect", signal),
    };
  }
  const alpn = CAN_NEGOTIATE ? { ALPNProtocols: ["h2"] } : {};
  // A server name is for names only, without a dot at their end (RFC 6066 section 3). An IP address is verified against
  // the certificate's own: the dialled one by the runtime, any other here.
  const ip = hostname.replace(/^\[|\]$/g, "");
  const isName = net.isIP(ip) === 0;
  const serverName = isName ? hostname.replace(/\.$/, "") : undefined;
  const isDialled = "host" in where && where.host === ip;
  return {
    scheme,
    authority,
    async open(signal) {
      const options = typeof source === "function" ? await untilAborted(Promise.resolve(source()), signal) : source;
      if (typeof source === "function" && options !== undefined) checkTlsOptions(options);
      const servername = options?.servername || serverName;
      const { checkServerIdentity = tls.checkServerIdentity } = options ?? {};
      const named = servername !== undefined
        ? { ...options, servername }
        : isDialled
        ? options
        : { ...options, checkServerIdentity: (_: string, cert: tls.PeerCertificate) => checkServerIdentity(ip, cert) };
      return await open(() => tls.connect({ ...where, ...named, ...alpn }), "secureConnect", signal);
    },
  };
}

function open(dial: () => net.Socket, opened: "connect" | "secureConnect", signal: AbortSignal): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = dial();
    let progress: SocketProgress = "dialling";
    const connected = () => progress = "handshake";
    const giveUp = (reason: unknown) => {
      done();
      // Errors that come after the first have nobody to tell.
      socket.on("error", () => {});
      socket.destroy();
      reject(reason);
    };
    const abort = () => giveUp(signal.reason);
    const fail = (error: Error) => giveUp(socketError(error, progress));
    const ended = () => giveUp(closedWhileOpened(progress));
    const succeed = () => {
      done();
      // RFC 9113 section 3.2: without ALPN's "h2" the server speaks something else.
      if (CAN_NEGOTIATE && socket instanceof tls.TLSSocket && socket.alpnProtocol !== "h2") {
        return giveUp(new Error(NO_HTTP2));
      }
      socket.setNoDelay(true);
      socket.unref();
      resolve(new SocketStream(socket));
    };
    const done = () => {
      signal.removeEventListener("abort", abort);
      socket.off("error", fail).off("close", ended).off("connect", connected).off(opened, succeed);
    };
    signal.addEventListener("abort", abort);
    if (opened === "secureConnect") socket.on("connect", connected);
    socket.on("error", fail).on("close", ended).on(opened, succeed);
  });
}

/** How long what was written before `destroy` may take to leave, in milliseconds. */
const LINGER_MS = 1_000;

/** A socket of Node's, Bun's or Deno's as a byte stream. */
class SocketStream implements ByteStream {
  readonly #socket: net.Socket;
  #events: ByteStreamEvents | undefined;
  #cause: Error | undefined;
  #closed = false;
  #linger: Timer | undefined;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    // Before `start` too: an error that nobody listens for ends the process.
    socket.on("error", (error: Error) => this.#gone(error));
    socket.on("close", () => this.#gone());
  }

  start(events: ByteStreamEvents): void {
    if (this.#closed) return queueMicrotask(() => events.closed(this.#cause));
    this.#events = events;
    this.#socket.on("drain", () => events.writable());
    this.#socket.on("end", () => events.end());
    // Plain, because `bytes` fields are views of it: a Buffer's slice() is not a copy as a Uint8Array's is.
    this.#socket.on("data", (chunk: Uint8Array) => {
      if (!this.#closed) events.data(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
  }

  write(bytes: Uint8Array): boolean {
    if (this.#socket.writable) return this.#socket.write(bytes, this.#written);
    // Unless this side ended it, it is broken: that is told when the writer is done with this write.
    if (!this.#socket.writableEnded) {
      queueMicrotask(() => this.#gone(this.#socket.errored ?? new Error("the socket can't be written to any more")));
    }
    return true;
  }

  /** workerd tells in this way alone that a socket can't be used. */
  readonly #written = (error?: Error | null): void => {
    if (error) this.#gone(error);
  };

  whenLaid(flush: () => void): void {
    turn.atEnd(flush);
  }

  end(): void {
    if (this.#socket.writable) this.#socket.end();
  }

  destroy(): void {
    if (this.#closed || this.#linger !== undefined) return;
    // A peer that doesn't read could keep the socket for ever; one that goes on to send, its idle time-out.
    this.#linger = systemClock.timer(LINGER_MS, () => this.#socket.destroy());
    this.#socket.destroySoon();
  }

  hold(on: boolean): void {
    if (on) this.#socket.ref();
    else this.#socket.unref();
  }

  /** An error is the end: after one in an open TLS connection, Node leaves the socket open and `close` never comes. */
  #gone(cause?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cause = cause && socketError(cause, "open");
    this.#linger?.cancel();
    this.#socket.destroy();
    this.#events?.closed(this.#cause);
  }
}
