import { beginArrival, endArrival } from "../../time/arrival.ts";
import type { Timer } from "../../time/clock.ts";
import type { ByteStream, ByteStreamEvents } from "../byte-stream.ts";
import { Endpoint } from "../endpoint.ts";
import type { EndpointOptions } from "../endpoint.ts";
import { Keepalive } from "../keepalive.ts";
import type { KeepaliveSettings } from "../keepalive.ts";
import { errorCodeName, errorCodeText, Http2Error } from "../wire/error.ts";
import * as ErrorCode from "../wire/error-code.ts";
import { DEFAULT_WINDOW, MAX_STREAM_ID } from "../wire/frame.ts";
import { FrameReader } from "../wire/frame-reader.ts";
import * as Setting from "../wire/setting.ts";
import { ResponseReceiver } from "./receiver.ts";
import { Requests } from "./requests.ts";
import { blamesRequests, connectionEnded, StreamError } from "./stream-error.ts";
import type { Blame } from "./stream-error.ts";
import type { ClientStream } from "./stream.ts";

/**
 * The states of a connection. Requests may be made in all but the last two; they wait until it is `ready`.
 *
 *     connecting ──► ready ──► draining ──► lost
 *
 * `ready`: the server's SETTINGS arrived, the first proof that it speaks HTTP/2. `draining`: no new requests, because
 * the server sent GOAWAY, the stream ids ran out or this side is closing. `lost`: the byte stream is gone.
 */
export type ConnectionState = "connecting" | "ready" | "draining" | "lost";

/** How long streams may go on after a GOAWAY with an error code, in milliseconds. */
const AFTER_ERROR_MS = 1_000;

/** What a connection reports to its owner. */
export interface ConnectionEvents {
  ready?(): void;
  /** The connection takes no new requests; those in flight go on. */
  draining?(goaway: string | undefined): void;
  /** The connection ended; called once. Without a cause, it had drained or was closed by this side. */
  lost?(cause?: Error): void;
  /**
   * There is room for requests again. If this is given, requests beyond MAX_CONCURRENT_STREAMS fail with `NoRoomError`,
   * so that the caller can send them elsewhere; otherwise they wait.
   */
  room?(): void;
  /** There is no more room for requests. */
  full?(): void;
}

/** Options of {@link Http2Connection}. */
export interface ConnectionOptions extends EndpointOptions {
  /** Pings when the server is silent. Defaults to no pings. */
  keepalive?: KeepaliveSettings | undefined;
}

/** The client's end of an HTTP/2 connection (RFC 9113) over a byte stream. */
export class Http2Connection extends Endpoint<ClientStream> implements ByteStreamEvents {
  readonly requests: Requests;
  /** Why the connection drains, if because of an error. */
  whyDraining: Error | undefined;
  readonly #events: ConnectionEvents;
  readonly #reader: FrameReader;
  readonly #keepalive: Keepalive | undefined;
  #state: ConnectionState = "connecting";
  /** The stream whose request was sent last before a GOAWAY that a request may have caused. */
  #blamed: number | undefined;
  /** The smallest last stream id of the peer's GOAWAYs. */
  #lastStreamId: number = MAX_STREAM_ID;
  /** Whether a GOAWAY was received. */
  #wentAway = false;
  readonly #closeTimers: Timer[] = [];

  constructor(bytes: ByteStream, events: ConnectionEvents, options: ConnectionOptions = {}) {
    super("client", bytes, options);
    this.#events = events;
    this.requests = new Requests(this, this);
    const { maxHeaderListBytes, streamWindowBytes, connectionWindowBytes } = this.limits;
    this.#reader = new FrameReader(new ResponseReceiver(this, this.requests, this), maxHeaderListBytes);
    if (options.keepalive !== undefined) this.#keepalive = new Keepalive(this, options.keepalive);
    this.writer.preface([
      [Setting.ENABLE_PUSH, 0],
      [Setting.INITIAL_WINDOW_SIZE, streamWindowBytes],
      [Setting.MAX_HEADER_LIST_SIZE, maxHeaderListBytes],
    ], connectionWindowBytes - DEFAULT_WINDOW);
    bytes.start(this);
  }

  get state(): ConnectionState {
    return this.#state;
  }
  /** Whether new requests are accepted. */
  get usable(): boolean {
    return this.#state === "connecting" || this.#state === "ready";
  }
  protected get pings(): number {
    return this.#keepalive?.pings ?? 0;
  }
  /** Whether requests beyond MAX_CONCURRENT_STREAMS fail instead of waiting. */
  get declinesWhenFull(): boolean {
    return this.#events.room !== undefined;
  }
  /** Whether requests can be sent now: the connection is ready, and no keepalive ping is unacknowledged. */
  get sending(): boolean {
    return this.#state === "ready" && this.#keepalive?.asking !== true;
  }
  /** Whether requests are in flight or waiting. */
  get inUse(): boolean {
    return !this.requests.none;
  }
  /** The server's first SETTINGS arrived. */
  becameReady(): void {
    this.#state = "ready";
    this.#keepalive?.start();
    this.#events.ready?.();
    this.requests.startWaiting();
  }

  /** Stops taking requests, and ends the connection once those in flight have ended. */
  drain(cause?: Error, goaway?: string): void {
    if (this.#state === "lost") return;
    this.whyDraining ??= cause;
    if (this.#state !== "draining") {
      this.#state = "draining";
      this.#events.draining?.(goaway);
    }
    this.requests.failWaiting(this.whyDraining);
    this.requests.endBackground("the connection drains");
    if (this.requests.none) this.idle();
  }

  /**
   * Stops taking requests, gives those in flight `graceMs` milliseconds to finish (long-lived ones `streamGraceMs`;
   * Infinity: no limit), then ends them.
   */
  close(graceMs: number, streamGraceMs: number): void {
    this.drain();
    const endAfter = (ms: number, end: () => void) => {
      if (this.#state === "lost" || ms === Infinity) return;
      if (ms > 0) this.#closeTimers.push(this.clock.timer(ms, end));
      else end();
    };
    const why = new Http2Error(ErrorCode.CANCEL, "the connection was closed locally");
    if (graceMs < streamGraceMs) {
      endAfter(graceMs, () => {
        for (const stream of [...this.requests.active]) {
          if (stream.longLived || stream.closed) continue;
          stream.cancel();
          stream.onFailed(connectionEnded("maybe", why));
        }
      });
    }
    endAfter(Math.max(graceMs, streamGraceMs), () => this.#end(undefined, why));
  }

  /** A connection error (section 5.4.1): sends GOAWAY and ends everything. */
  fail(error: Error): void {
    if (this.#state === "lost") return;
    this.writer.goaway(error instanceof Http2Error ? error.code : ErrorCode.INTERNAL_ERROR, error.message);
    this.#end(error, error);
  }

  /** Fails the requests that were not sent yet, so that their callers can send them elsewhere, and background ones. */
  giveBack(): void {
    this.requests.failWaiting(new Error("its endpoint was removed from the set"));
    this.requests.endBackground("its endpoint was removed from the set");
    if (this.requests.none) this.idle();
  }

  /** There is room for requests again. */
  hasRoom(): void {
    if (this.usable) this.#events.room?.();
  }

  /** There is no more room for requests. */
  isFull(): void {
    this.#events.full?.();
  }

  /** All requests are done, except for background ones. */
  idle(): void {
    if (this.held) this.held = false;
    if (this.#state === "draining") this.#end(this.whyDraining);
  }

  /**
   * Flushes what the byte stream still accepts, then ends the connection. Section 6.8 asks for a GOAWAY first, so that
   * the other side learns what became of the streams it opened; servers open none here. So GOAWAY is sent only on
   * errors: Deno's servers sometimes crash on a client's GOAWAY (an assertion in their HTTP/2 library, after large
   * messages).
   */
  #end(cause: Error | undefined, why: Error | undefined = cause): void {
    this.writer.flush();
    this.#lost(cause, why);
  }

  #lost(cause: Error | undefined, why: Error | undefined = cause): void {
    if (this.#state === "lost") return;
    this.#state = "lost";
    for (const timer of this.#closeTimers) timer.cancel();
    this.#keepalive?.stop();
    this.#reader.stop();
    const { ids: unsent } = this.writer.unsent();
    this.writer.close();
    if (this.held) this.held = false;
    this.bytes.end();
    this.bytes.destroy();
    this.#events.lost?.(cause);
    this.requests.failWaiting(why);
    this.requests.failActive(why, unsent, (stream) => this.#blame(stream));
  }

  /** Handles GOAWAY (section 6.8): streams above its last id were not and will not be processed. */
  goaway(lastStreamId: number, code: number, debug: string): void {
    const said = `the server sent GOAWAY ${errorCodeText(code)}${debug === "" ? "" : `: ${debug}`}`;
    const cause = code === ErrorCode.NO_ERROR ? undefined : new Http2Error(code, said);
    if (blamesRequests(code, debug)) this.#blamed ??= this.writer.lastSent;
    // First: a stream that ends below may trigger a new request immediately.
    this.drain(cause, errorCodeName(code));
    if (!this.#wentAway) this.requests.takeBack(code, said);
    this.#wentAway = true;
    // The last id may only decrease (section 6.8): only streams between the new and the previous one are affected.
    const before = Math.min(this.#lastStreamId, this.requests.nextId - 2);
    this.#lastStreamId = Math.min(this.#lastStreamId, lastStreamId);
    for (const stream of this.requests.active.between(lastStreamId, before)) {
      // A stream that the server has answered can't be unprocessed, whatever GOAWAY says.
      const processed = stream.headReceived ? "maybe" : "refused";
      const error = new StreamError(code, said, processed, "connection");
      error.blame = this.#blame(stream);
      this.requests.fail(stream, error);
    }
    // Section 5.4.1: a server that sends an error code closes the connection. One that doesn't must not stall calls.
    if (cause !== undefined && this.whyDraining === cause && this.requests.active.size > 0) {
      this.#closeTimers.push(this.clock.timer(AFTER_ERROR_MS, () => this.fail(cause)));
    }
  }

  /** How far a request is to blame for a GOAWAY; not at all if the server had begun to answer it. */
  #blame(stream: ClientStream): Blame | undefined {
    if (this.#blamed === undefined || stream.headReceived) return undefined;
    return stream.id === this.#blamed ? "cause" : "perhaps";
  }

  /** A request was made: keeps the process alive until all are done, except for background ones. */
  busy(): void {
    if (this.held) return;
    this.held = true;
    this.#keepalive?.busy();
  }

  // Events of the byte stream

  data(chunk: Uint8Array): boolean | void {
    if (this.#state === "lost") return;
    const answered = this.#keepalive?.heard() === true;
    beginArrival();
    try {
      this.#reader.read(chunk);
      if (answered) this.requests.startWaiting();
      this.checkControlBytes();
      return !this.#reader.kept;
    } catch (error) {
      this.fail(error instanceof Error ? error : new Http2Error(ErrorCode.INTERNAL_ERROR, String(error)));
    } finally {
      endArrival();
    }
  }

  writable(): void {
    this.writer.drained();
    if (this.#state !== "lost") this.requests.startWaiting();
  }

  end(): void {
    this.#lost(this.#ended("the server closed the connection"));
  }

  closed(cause?: Error): void {
    this.#lost(cause ?? this.#ended("the connection was closed"));
  }

  #ended(why: string): Error | undefined {
    if (this.#state === "draining" && this.requests.active.size === 0) return this.whyDraining;
    return this.whyDraining ?? new Error(this.#state === "connecting" ? `${why} before its SETTINGS` : why);
  }
}
