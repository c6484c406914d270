import http2 from "node:http2";
import type { ClientHttp2Session, OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { systemClock, type Timer } from "../time/clock.ts";
import { RequestStream } from "./request-stream.ts";

/** How a session is opened and watched. */
export interface SessionOptions {
  /** Starts to dial; the socket may still be connecting. */
  dial(): Socket;
  /** `scheme://name`: what requests are addressed to. */
  readonly origin: string;
  /** For error texts. */
  readonly address: string;
  readonly connectTimeoutMs: number;
  readonly keepalive: { readonly intervalMs: number; readonly timeoutMs: number } | undefined;
  /** It takes no new requests: the server said so. Called at most once, and only after it was open. */
  onDraining(): void;
  /** It ended, drained or not. Called at most once, and only after it was open. */
  onLost(cause: Error): void;
}

/** What the peer may send before it is acknowledged: with 64 KiB, the standard's, 10 MiB at 20 ms take 4 s, not 0.1. */
const STREAM_WINDOW_BYTES = 8 << 20;
const CONNECTION_WINDOW_BYTES = 16 << 20;

const CLOSED = "the peer closed the connection";

/**
 * One HTTP/2 connection: connecting → open → draining → ended.
 *
 * It is open when the peer's SETTINGS came: a TCP connection alone may lead to a dead process or an HTTP/1.1 server.
 * The process is held while requests are open, never by an idle connection.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  #state: "connecting" | "open" | "draining" | "ended" = "connecting";
  #cause: Error | undefined;
  #lastStreamId = Infinity;
  #inFlight = 0;
  /** Requests above the peer's limit of streams. They wait here: a runtime would send them even after a cancel. */
  readonly #waiting: { resolve(): void; reject(error: Error): void }[] = [];
  #timer: Timer | undefined;
  #grace: Timer | undefined;
  #onIdle: (() => void) | undefined;
  #opened: { resolve(): void; reject(error: Error): void } | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#socket = options.dial();
    const session = this.#session = http2.connect(options.origin, {
      createConnection: () => this.#socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
    });
    if ("Deno" in globalThis) endLater(session);
    // The socket is listened to as well: on some failures to connect the session stays silent. Later it must not be
    // heeded, because what it received may still be on its way through the session.
    this.#socket.on("error", (error) => this.#state === "connecting" && this.#end(error));
    this.#socket.on("close", () => this.#state === "connecting" && this.#end(new Error(CLOSED)));
    session.on("error", (error) => this.#end(error));
    session.on("close", () => this.#end(new Error(CLOSED)));
    session.on("goaway", (code, lastStreamId) => this.#goaway(code, lastStreamId));
    session.on("remoteSettings", () => this.#settings());
    session.unref();
  }

  /** Resolves when the session takes requests; rejects when it can't be opened in time or `signal` aborts. */
  async open(signal: AbortSignal): Promise<void> {
    const abort = () => this.#end(signal.reason instanceof Error ? signal.reason : new Error("opening was aborted"));
    const { connectTimeoutMs, address } = this.#options;
    const timer = systemClock.timer(connectTimeoutMs, () => {
      this.#end(new Error(`no HTTP/2 server answered within ${connectTimeoutMs} ms`));
    });
    try {
      await new Promise<void>((resolve, reject) => {
        this.#opened = { resolve, reject };
        if (this.#state === "ended") return reject(this.#cause);
        signal.addEventListener("abort", abort);
        if (signal.aborted) abort();
      });
    } catch (error) {
      throw new Error(`can't connect to ${address}: ${(error as Error).message}`, { cause: error });
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", abort);
    }
  }

  /** Whether a request can be made. Looks at the session itself, which may be dead before any event says so. */
  get isOpen(): boolean {
    return this.#state === "open" && !this.#session.closed && !this.#session.destroyed;
  }

  /** Begins a request as soon as the peer's limit of streams allows it. Rejects when the session ends before. */
  async request(headers: OutgoingHttpHeaders): Promise<RequestStream> {
    if (this.#inFlight >= this.#limit) {
      await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    } else {
      this.#begin();
    }
    // deno-lint-ignore no-this-alias -- the stream sees these change
    const session = this;
    let ended = false;
    return new RequestStream({
      open: () => this.#session.request(headers),
      get lastStreamId() {
        return session.#lastStreamId;
      },
      get lostBy() {
        const gone = session.#session.destroyed || session.#socket.destroyed;
        return session.#cause ?? (gone ? new Error(CLOSED) : undefined);
      },
      ended: () => {
        if (!ended) this.#finish();
        ended = true;
      },
    });
  }

  /** No new requests; ends when those in flight have, at the latest after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    if (this.#state === "ended") return;
    if (this.#state === "connecting") return this.#end(new Error("the connection was closed"));
    this.#drain();
    if (this.#inFlight > 0 && graceMs > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
        this.#grace = systemClock.timer(graceMs, resolve);
      });
    }
    this.#end(new Error("the connection was closed"));
  }

  get #limit(): number {
    return this.#session.remoteSettings?.maxConcurrentStreams ?? Infinity;
  }

  #settings(): void {
    if (this.#state !== "connecting") return this.#admit();
    // A server that is shutting down sends a GOAWAY right behind its SETTINGS: it is not to count as open.
    setImmediate(() => {
      if (this.#state !== "connecting") return;
      if (this.#session.closed || this.#session.destroyed) return this.#end(new Error("the peer is shutting down"));
      this.#state = "open";
      this.#session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
      this.#opened?.resolve();
    });
  }

  #goaway(code: number, lastStreamId: number): void {
    this.#lastStreamId = Math.min(this.#lastStreamId, lastStreamId);
    if (this.#state === "connecting") return this.#end(new Error("the server is shutting down (GOAWAY)"));
    if (code !== 0) return this.#end(new Error(`the server ended the connection (GOAWAY with error code ${code})`));
    if (this.#state !== "open") return;
    this.#drain();
    this.#options.onDraining();
    if (this.#inFlight === 0) this.#end(new Error("the server closed the connection (GOAWAY)"));
  }

  #drain(): void {
    this.#state = "draining";
    this.#dropWaiting(new Error("the connection takes no new requests"));
  }

  #end(cause: Error): void {
    if (this.#state === "ended") return;
    const before = this.#state;
    this.#state = "ended";
    this.#cause = cause;
    this.#timer?.cancel();
    this.#grace?.cancel();
    // Without an error the streams in flight would end as if they had been answered.
    if (!this.#session.destroyed) {
      if (this.#inFlight > 0) this.#session.destroy(cause, http2.constants.NGHTTP2_CANCEL);
      else this.#session.destroy();
    }
    if (before === "connecting") this.#socket.destroy();
    this.#dropWaiting(cause);
    this.#onIdle?.();
    this.#opened?.reject(cause);
    if (before !== "connecting") this.#options.onLost(cause);
  }

  #dropWaiting(cause: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(cause);
  }

  #begin(): void {
    if (++this.#inFlight > 1) return;
    this.#session.ref();
    this.#keepalive();
  }

  #finish(): void {
    this.#inFlight--;
    this.#admit();
    if (this.#inFlight > 0) return;
    this.#timer?.cancel();
    if (this.#state === "ended") return;
    this.#session.unref();
    this.#onIdle?.();
    if (this.#state === "draining") this.#end(new Error("the server closed the connection (GOAWAY)"));
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#inFlight < this.#limit) {
      this.#begin();
      this.#waiting.shift()?.resolve();
    }
  }

  /** Pings while requests are in flight; an unanswered ping ends the session (gRFC A8). */
  #keepalive(): void {
    const keepalive = this.#options.keepalive;
    if (keepalive === undefined) return;
    const { intervalMs, timeoutMs } = keepalive;
    this.#timer = systemClock.timer(intervalMs, () => {
      // Runtimes refuse pings once a GOAWAY came.
      if (this.#session.destroyed || this.#session.closed) return this.#keepalive();
      this.#timer = systemClock.timer(timeoutMs, () => {
        this.#end(new Error(`the peer did not answer a keepalive ping within ${timeoutMs} ms`));
      });
      this.#session.ping((error) => {
        if (error !== null || this.#state === "ended" || this.#inFlight === 0) return;
        this.#timer?.cancel();
        this.#keepalive();
      });
    });
  }
}

/**
 * Deno 2.9 ends a session on GOAWAY while it still reads from it, and may die with SIGSEGV. One turn later it is safe.
 */
function endLater(session: ClientHttp2Session): void {
  const { close, destroy } = session;
  session.close = (done) => void setImmediate(() => session.destroyed || close.call(session, done));
  session.destroy = (error, code) => void setImmediate(() => destroy.call(session, error, code));
}
