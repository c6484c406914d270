import { systemClock } from "../time/clock.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { ByteStream, ByteStreamEvents } from "./byte-stream.ts";
import { ErrorCode, errorCodeText, Http2Error, StreamError } from "./error.ts";
import type { Processed } from "./error.ts";
import { ReceiveWindow } from "./flow.ts";
import { DEFAULT_WINDOW, MAX_STREAM_ID } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { fieldListBytes, HpackEncoder } from "./hpack-encoder.ts";
import { Keepalive } from "./keepalive.ts";
import type { KeepaliveOptions } from "./keepalive.ts";
import { CancelledStreams, MAX_WAITING_CONTROL_BYTES, resolveLimits } from "./limits.ts";
import type { Http2Limits, ResolvedHttp2Limits } from "./limits.ts";
import { Receiver } from "./receiver.ts";
import { Sender } from "./sender.ts";
import { PeerSettings, Setting } from "./settings.ts";
import type { ClientStream } from "./stream.ts";

/**
 * The life of a connection. Requests may be made in all states but the last two: they wait until it is `ready`.
 *
 *     connecting ──► ready ──► draining ──► lost
 *
 * `ready`: the server's SETTINGS came, the first proof that an HTTP/2 server is there. `draining`: no new requests, since
 * the server sent GOAWAY, the stream ids ran out or this side closes. `lost`: the byte stream is gone.
 */
export type ConnectionState = "connecting" | "ready" | "draining" | "lost";

/** How long the streams that a GOAWAY with an error code leaves may still take, in milliseconds. */
const AFTER_ERROR_MS = 1_000;

/** What a connection tells its owner. */
export interface ConnectionEvents {
  ready?(): void;
  /** It takes no new requests; those in flight go on. */
  draining?(): void;
  /** The end, once. No cause: it drained, or this side closed it. */
  lost?(cause?: Error): void;
}

/** Settings of a connection. */
export interface ConnectionOptions {
  limits?: Http2Limits | undefined;
  /** Pings while requests are in flight; undefined: none. */
  keepalive?: KeepaliveOptions | undefined;
  /** Defaults to the runtime's. */
  clock?: Clock | undefined;
  /** The id of the first stream, for tests of ids running out. Defaults to 1. */
  firstStreamId?: number | undefined;
}

/** An HTTP/2 connection as a client has it (RFC 9113) over a byte stream. */
export class Connection implements ByteStreamEvents {
  readonly encoder: HpackEncoder = new HpackEncoder();
  readonly peer: PeerSettings = new PeerSettings();
  readonly writer: FrameWriter;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly limits: ResolvedHttp2Limits;
  /** The streams that count against MAX_CONCURRENT_STREAMS, by id. */
  readonly active: Map<number, ClientStream> = new Map();
  /** The streams that this side reset, whose frames may still come. */
  readonly cancelled: CancelledStreams = new CancelledStreams();
  readonly #bytes: ByteStream;
  readonly #events: ConnectionEvents;
  readonly #reader: FrameReader;
  readonly #keepalive: Keepalive | undefined;
  readonly #waiting = new Set<ClientStream>();
  #state: ConnectionState = "connecting";
  #nextId: number;
  #held = false;
  #starting = false;
  /** Section 6.5.3: whether the peer acknowledged this side's SETTINGS, so that its smaller windows hold. */
  #acknowledged = false;
  #whyDraining: Error | undefined;
  readonly #closeTimers: Timer[] = [];

  constructor(bytes: ByteStream, events: ConnectionEvents, options: ConnectionOptions = {}) {
    this.#bytes = bytes;
    this.#events = events;
    this.clock = options.clock ?? systemClock;
    this.limits = resolveLimits(options.limits);
    this.#nextId = options.firstStreamId ?? 1;
    this.writer = new FrameWriter(bytes);
    this.sender = new Sender(this.writer, this.peer);
    const { maxHeaderListBytes, streamWindowBytes, connectionWindowBytes } = this.limits;
    const receiver = new Receiver(this);
    this.#reader = new FrameReader(receiver, maxHeaderListBytes);
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
  /** Whether a request that is made now can be sent. */
  get usable(): boolean {
    return this.#state === "connecting" || this.#state === "ready";
  }
  /** The id that the next stream gets; every odd id below it was used. */
  get nextId(): number {
    return this.#nextId;
  }
  /** How many requests wait for a place. */
  get waiting(): number {
    return this.#waiting.size;
  }

  // Requests

  /** Sends a stream's request, or lets it wait. */
  open(stream: ClientStream): void {
    if (!this.usable) {
      stream.close();
      stream.onFailed(this.#streamError("not-sent", this.#whyDraining));
      return;
    }
    stream.state = "waiting";
    this.#hold(true);
    if (this.#waiting.size === 0 && this.#hasPlace()) this.#start(stream);
    else this.#waiting.add(stream);
  }

  cancel(stream: ClientStream, code: number): void {
    if (stream.id !== 0) {
      this.#reset(stream, code);
    }
    this.forget(stream);
  }

  #reset(stream: ClientStream, code: number): void {
    this.cancelled.add(stream.id, Math.max(0, stream.receiveWindow!.left));
    this.writer.reset(stream.id, code);
  }

  /** The reader took bytes: the stream's window grows (section 6.9). */
  consumed(stream: ClientStream, bytes: number): void {
    const increment = stream.receiveWindow?.take(bytes) ?? 0;
    if (increment > 0) this.writer.windowUpdate(stream.id, increment);
  }

  /** Ends a stream with an error of its own; the connection goes on (section 5.4.2). */
  failStream(stream: ClientStream, error: StreamError): void {
    if (stream.closed) return;
    if (stream.id !== 0 && error.by === "stream") this.#reset(stream, error.code);
    this.forget(stream);
    stream.onFailed(error);
  }

  /** Lets go of a stream that is done, and gives its place to the next. */
  forget(stream: ClientStream): void {
    if (stream.closed) return;
    if (stream.outgoing !== undefined) this.sender.drop(stream);
    stream.close();
    if (stream.id === 0) this.#waiting.delete(stream);
    else this.active.delete(stream.id);
    if (this.#waiting.size > 0) this.#startSoon();
    else if (this.active.size === 0) this.#idle();
  }

  /** Not at once: what ended one request may be about to end those that wait, such as a signal they share. */
  #startSoon(): void {
    if (this.#starting) return;
    this.#starting = true;
    queueMicrotask(() => {
      this.#starting = false;
      this.startWaiting();
    });
  }

  /** Sends requests that wait, as far as there are places. */
  startWaiting(): void {
    for (const stream of this.#waiting) {
      if (!this.#hasPlace()) break;
      this.#waiting.delete(stream);
      this.#start(stream);
      this.sender.enqueue(stream);
    }
    this.sender.pump();
  }

  #hasPlace(): boolean {
    return this.#state === "ready" && !this.writer.blocked && this.active.size < this.peer.maxConcurrentStreams;
  }

  #start(stream: ClientStream): void {
    const template = stream.template!;
    const { maxHeaderListSize } = this.peer;
    // Section 10.5.1: advisory, but the server would refuse it.
    if (template.bytes + fieldListBytes(stream.extra ?? []) > maxHeaderListSize) {
      const why = `the request's headers are larger than the ${maxHeaderListSize} bytes that the server allows`;
      this.failStream(stream, new StreamError(ErrorCode.ENHANCE_YOUR_CALM, why, "not-sent", "stream"));
      return;
    }
    const id = this.#nextId;
    this.#nextId += 2;
    const { streamWindowBytes } = this.limits;
    const window = this.#acknowledged ? streamWindowBytes : Math.max(streamWindowBytes, DEFAULT_WINDOW);
    this.writer.headers(id, this.encoder.template(template), stream.literals(), this.peer.maxFrameSize);
    stream.opened(id, this.peer.initialWindowSize, new ReceiveWindow(window));
    this.active.set(id, stream);
    // Section 5.1.1: a connection whose ids ran out is replaced.
    if (this.#nextId > MAX_STREAM_ID) this.drain();
  }

  // Life

  /** The server's first SETTINGS came. */
  becameReady(): void {
    this.#state = "ready";
    this.#keepalive?.heard();
    this.#events.ready?.();
    this.startWaiting();
  }

  /** The peer acknowledged this side's SETTINGS (section 6.5.3). */
  acknowledged(): void {
    if (this.#acknowledged) return;
    this.#acknowledged = true;
    for (const stream of this.active.values()) stream.receiveWindow?.resize(this.limits.streamWindowBytes);
  }

  /** Takes no new requests, and ends when those in flight have. */
  drain(cause?: Error): void {
    if (this.#state === "lost") return;
    this.#whyDraining ??= cause;
    if (this.#state !== "draining") {
      this.#state = "draining";
      this.#events.draining?.();
    }
    const unsent = [...this.#waiting];
    this.#waiting.clear();
    for (const stream of unsent) {
      stream.close();
      stream.onFailed(this.#streamError("not-sent", this.#whyDraining));
    }
    if (this.active.size === 0) this.#idle();
  }

  /**
   * Takes no new requests; lets those in flight finish for `graceMs` milliseconds (long-lived ones for `streamGraceMs`;
   * Infinity: however long they take), then ends them.
   */
  close(graceMs: number, streamGraceMs: number): void {
    this.drain();
    const endAfter = (ms: number, end: () => void) => {
      if (this.#state === "lost" || ms === Infinity) return;
      if (ms > 0) this.#closeTimers.push(this.clock.timer(ms, end));
      else end();
    };
    const why = new Http2Error(ErrorCode.CANCEL, "the connection was closed by this side");
    if (graceMs < streamGraceMs) {
      endAfter(graceMs, () => {
        const error = new StreamError(ErrorCode.CANCEL, why.message, "maybe", "stream", { cause: why });
        for (const stream of [...this.active.values()]) if (!stream.longLived) this.failStream(stream, error);
      });
    }
    endAfter(Math.max(graceMs, streamGraceMs), () => this.fail(why, false));
  }

  /** A connection error (section 5.4.1): says so to the peer and ends everything. */
  fail(error: Error, report = true): void {
    if (this.#state === "lost") return;
    this.writer.goaway(error instanceof Http2Error ? error.code : ErrorCode.INTERNAL_ERROR, error.message);
    this.writer.flush();
    this.#lost(report ? error : undefined, error);
  }

  /** All requests are done. */
  #idle(): void {
    this.#hold(false);
    if (this.#state !== "draining") return;
    if (this.#whyDraining === undefined) this.writer.goaway(ErrorCode.NO_ERROR, "");
    this.writer.flush();
    this.#lost(this.#whyDraining);
  }

  #lost(cause: Error | undefined, why: Error | undefined = cause): void {
    if (this.#state === "lost") return;
    this.#state = "lost";
    for (const timer of this.#closeTimers) timer.cancel();
    this.#keepalive?.stop();
    this.#reader.stop();
    this.writer.close();
    this.#hold(false);
    const waiting = [...this.#waiting];
    const active = [...this.active.values()];
    this.#waiting.clear();
    this.active.clear();
    this.#bytes.end();
    this.#bytes.destroy();
    this.#events.lost?.(cause);
    for (const stream of waiting) {
      stream.close();
      stream.onFailed(this.#streamError("not-sent", why));
    }
    for (const stream of active) {
      stream.close();
      stream.onFailed(this.#streamError("maybe", why));
    }
  }

  /** A GOAWAY (section 6.8): streams above its last id were not and will not be processed. */
  goaway(lastStreamId: number, code: number, debug: string): void {
    const said = `the server sent GOAWAY ${errorCodeText(code)}${debug === "" ? "" : `: ${debug}`}`;
    const cause = code === ErrorCode.NO_ERROR ? undefined : new Http2Error(code, said);
    const refused = new StreamError(code, said, "refused", "connection");
    for (const stream of [...this.active.values()]) if (stream.id > lastStreamId) this.failStream(stream, refused);
    this.drain(cause);
    // Section 5.4.1: a server that says an error code closes the connection. One that doesn't must not hold calls up.
    if (cause !== undefined && this.active.size > 0) {
      this.#closeTimers.push(this.clock.timer(AFTER_ERROR_MS, () => this.fail(cause)));
    }
  }

  #streamError(processed: Processed, cause: Error | undefined): StreamError {
    const why = cause?.message ?? "it is closed";
    const text = processed === "maybe" ? `the connection was lost: ${why}` : `the connection takes no requests: ${why}`;
    const code = cause instanceof Http2Error ? cause.code : ErrorCode.INTERNAL_ERROR;
    return new StreamError(code, text, processed, "connection", cause === undefined ? {} : { cause });
  }

  /** The process is held while requests are in flight or wait. */
  #hold(on: boolean): void {
    if (on === this.#held) return;
    this.#held = on;
    if (on) this.#keepalive?.busy();
    this.#bytes.hold(on);
  }

  // What the byte stream says

  data(chunk: Uint8Array): void {
    if (this.#state === "lost") return;
    this.#keepalive?.heard();
    try {
      this.#reader.read(chunk);
      this.#checkControlBytes();
    } catch (error) {
      this.fail(error instanceof Error ? error : new Http2Error(ErrorCode.INTERNAL_ERROR, String(error)));
    }
  }

  writable(): void {
    this.writer.drained();
    if (this.#state !== "lost") this.startWaiting();
  }

  /** Answers that pile up for a peer that doesn't read them are a flood (section 10.5). */
  #checkControlBytes(): void {
    if (!this.writer.blocked || this.writer.waitingControlBytes <= MAX_WAITING_CONTROL_BYTES) return;
    throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "the server doesn't read the answers to its own frames");
  }

  end(): void {
    this.#lost(this.#ended("the server closed the connection"));
  }

  closed(cause?: Error): void {
    this.#lost(cause ?? this.#ended("the connection was closed"));
  }

  #ended(why: string): Error | undefined {
    if (this.#state === "draining" && this.active.size === 0) return this.#whyDraining;
    const before = this.#state === "connecting" ? " before its SETTINGS: is it an HTTP/2 server?" : "";
    return this.#whyDraining ?? new Error(why + before);
  }
}
