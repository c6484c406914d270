import type { Timer } from "../../time/clock.ts";
import type { ByteStream, ByteStreamEvents } from "../byte-stream.ts";
import { Endpoint } from "../endpoint.ts";
import { Keepalive } from "../keepalive.ts";
import { ErrorCode, Http2Error } from "../wire/error.ts";
import { DEFAULT_WINDOW, MAX_STREAM_ID } from "../wire/frame.ts";
import { FrameReader } from "../wire/frame-reader.ts";
import type { HeaderBlock } from "../wire/header-block.ts";
import { PrefaceReader } from "../wire/preface-reader.ts";
import * as Setting from "../wire/setting.ts";
import { BufferedBytes } from "./buffered-bytes.ts";
import { leastMs, Lifetime } from "./lifetime.ts";
import type { ServerConnectionEvents, ServerConnectionOptions } from "./options.ts";
import type { Peer } from "./peer.ts";
import { PingEnforcement } from "./ping-enforcement.ts";
import { ReadingTurns } from "./reading-turns.ts";
import { RequestReceiver } from "./receiver.ts";
import { Requests } from "./requests.ts";
import { Rounds } from "./rounds.ts";
import type { ServerStream } from "./stream.ts";
import { Sweeper } from "./sweeper.ts";

/**
 * The states of a server's connection. Requests are accepted until a draining connection has told its client the last
 * of them.
 *
 *     opening ──► open ──► draining ──► ending ──► closed
 *
 * `opening`: the client's preface and SETTINGS have not arrived. `draining`: a GOAWAY was sent, and what is open goes
 * on. `ending`: this side sends no more, and waits for the client to close. `closed`: the byte stream is gone.
 */
export type ServerConnectionState = "opening" | "open" | "draining" | "ending" | "closed";

/** A PING's payload by which its acknowledgement is known. */
const DRAIN_PAYLOAD: Uint8Array = new TextEncoder().encode("draining");
/** How long a client may take to acknowledge the first GOAWAY of two, in milliseconds. */
const DRAIN_ACK_MS = 1_000;
/** How long a client may take to close after this side has, in milliseconds. */
const LINGER_MS = 2_000;
/** How often a client that half-closed is asked whether it is still there, in milliseconds. */
const PROBE_MS = 1_000;
/** How long a silent client lasts, and how long it may take to acknowledge a PING: gRPC's defaults. */
const KEEPALIVE = { intervalMs: 7_200_000, timeoutMs: 20_000 };

/** The server's end of an HTTP/2 connection (RFC 9113) over a byte stream. */
export class ServerConnection extends Endpoint<ServerStream> implements ByteStreamEvents {
  readonly requests: Requests;
  readonly accept: (head: HeaderBlock) => ServerStream;
  readonly client: Peer;
  readonly maxConcurrentStreams: number;
  readonly buffered: BufferedBytes;
  streaming = false;
  readonly #events: ServerConnectionEvents;
  readonly #reader: FrameReader;
  readonly #turns: ReadingTurns;
  readonly #keepalive: Keepalive;
  readonly #enforcement: PingEnforcement;
  readonly #sweeper: Sweeper;
  readonly #lifetime: Lifetime;
  #preface: PrefaceReader | undefined = new PrefaceReader();
  #state: ServerConnectionState = "opening";
  /** Whether the client half-closed: it can only be answered any more. */
  #clientEnded = false;
  #cause: Error | undefined;
  #timer: Timer | undefined;
  #probeTimer: Timer | undefined;

  constructor(bytes: ByteStream, events: ServerConnectionEvents, options: ServerConnectionOptions) {
    const { scheduleStreamFlush: ofStreams, scheduleFlush: usual } = options;
    super(
      "server",
      bytes,
      ofStreams === undefined || usual === undefined ? options : {
        ...options,
        scheduleFlush: (flush, load) => this.streaming ? ofStreams(flush) : usual(flush, load),
      },
    );
    this.#events = events;
    this.accept = options.accept;
    this.client = options.client ?? {};
    this.maxConcurrentStreams = options.maxConcurrentStreams ?? 1_000;
    this.buffered = options.buffered ?? new BufferedBytes();
    this.requests = new Requests(this, this, options);
    const { maxHeaderListBytes, streamWindowBytes, connectionWindowBytes } = this.limits;
    // A request whose header section is somewhat too large is answered; to read one without end isn't worth it.
    this.#reader = new FrameReader(new RequestReceiver(this, this.requests, this), 2 * maxHeaderListBytes, "client");
    this.#turns = new ReadingTurns(bytes, this.#reader, options.rounds ?? new Rounds(this.clock), this.#read);
    this.#keepalive = new Keepalive(this, { ...KEEPALIVE, ...options.keepalive, withoutCalls: true });
    this.#enforcement = new PingEnforcement(this.clock, options.enforcement);
    this.#lifetime = new Lifetime(this, options.times, options.random);
    this.#sweeper = options.sweeper ?? new Sweeper(this.clock, leastMs(options.times ?? {}));
    this.writer.settings([
      [Setting.MAX_CONCURRENT_STREAMS, this.maxConcurrentStreams],
      [Setting.INITIAL_WINDOW_SIZE, streamWindowBytes],
      [Setting.MAX_HEADER_LIST_SIZE, maxHeaderListBytes],
    ], connectionWindowBytes - DEFAULT_WINDOW);
    this.held = true;
    this.#sweeper.add(this.#lifetime);
    bytes.start(this);
  }

  get state(): ServerConnectionState {
    return this.#state;
  }
  /** Whether new requests are accepted. */
  get usable(): boolean {
    return this.#state === "opening" || this.#state === "open";
  }
  protected get pings(): number {
    return this.#keepalive.pings;
  }
  /** Whether requests are open. */
  get inUse(): boolean {
    return this.streams.size > 0;
  }
  /** The largest header section to send, in bytes as RFC 7541 section 4.1 counts them. */
  get maxResponseHeaderListBytes(): number {
    return Math.min(this.peer.maxHeaderListSize, this.limits.maxRequestHeaderListBytes);
  }

  /**
   * Closes gracefully (RFC 9113 section 6.8). A first GOAWAY asks the client to open no more streams; once a PING proves
   * that it knows, a second one says which are answered. The connection ends when those are.
   */
  drain(): void {
    if (!this.usable) return;
    this.#state = "draining";
    if (this.#clientEnded) return this.#endIfIdle();
    this.writer.goaway(ErrorCode.NO_ERROR, "", MAX_STREAM_ID);
    this.writer.ping(DRAIN_PAYLOAD);
    this.#timer = this.clock.timer(DRAIN_ACK_MS, () => this.#sayLast());
  }

  /** The client knows that it must open no more streams, or had time enough. */
  #sayLast(): void {
    if (this.#timer === undefined || this.#state !== "draining") return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.requests.ignoreNew();
    this.writer.goaway(ErrorCode.NO_ERROR, "", this.requests.lastAnswered);
    this.#endIfIdle();
  }

  /** Ends the connection now, and all that is open on it. */
  close(why = "the server is closing the connection"): void {
    if (this.#state === "ending" || this.#state === "closed") return;
    this.writer.goaway(ErrorCode.NO_ERROR, why, this.requests.lastAnswered);
    this.#end(new Http2Error(ErrorCode.CANCEL, why));
  }

  /** A connection error (section 5.4.1): sends GOAWAY and ends everything. */
  fail(error: Error): void {
    if (this.#state === "ending" || this.#state === "closed") return;
    const code = error instanceof Http2Error ? error.code : ErrorCode.INTERNAL_ERROR;
    this.#cause = error;
    const expected = error instanceof Http2Error;
    // Clients don't see the text of unexpected errors.
    this.writer.goaway(code, expected ? error.message : "internal error", this.requests.lastAnswered);
    if (!expected) this.#events.failed?.(error);
    this.#end(error);
    // A flood goes on as long as anybody reads it.
    if (code === ErrorCode.ENHANCE_YOUR_CALM) this.bytes.destroy();
  }

  /** Ends the connection once everything is answered and, as far as the client reads, written. */
  #endIfIdle(): void {
    if (this.streams.size > 0 || this.#timer !== undefined) return;
    if (this.#state === "ending" || this.#state === "closed") return;
    this.requests.early.flush();
    this.writer.flush();
    if (this.writer.waitingBytes === 0) this.#end();
  }

  /**
   * Flushes what the byte stream still accepts, and half-closes. The rest of what the client sends is dropped until it
   * closes, too: closing before that would make some systems drop what the client has not read yet.
   */
  #end(why?: Error): void {
    this.#state = "ending";
    this.#stop();
    this.requests.failAll(lost(why));
    this.writer.flush();
    this.writer.close();
    this.bytes.end();
    if (this.#clientEnded) this.bytes.destroy();
    else this.#timer = this.clock.timer(LINGER_MS, () => this.bytes.destroy());
  }

  #stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#probeTimer?.cancel();
    this.#keepalive.stop();
    this.requests.early.stop();
    this.#reader.stop();
    this.#sweeper.delete(this.#lifetime);
  }

  // Events of the requests, the receiver and the lifetime

  busy(): void {
    this.#sweeper.add(this.#lifetime);
  }

  /** All requests may be answered. */
  idle(): void {
    this.streaming = false;
    if (this.#state === "draining" || this.#clientEnded) this.#endIfIdle();
  }

  /** The client's first SETTINGS arrived. */
  opened(): void {
    if (this.#state === "opening") this.#state = "open";
    this.#keepalive.start();
  }

  pinged(): void {
    this.#enforcement.pinged(this.requests.started + this.writer.dataFrames, this.inUse);
  }

  worked(cost: number): void {
    this.#turns.worked(cost);
  }

  pingAcknowledged(payload: Uint8Array, start: number): boolean {
    if (this.#state !== "draining") return false;
    for (let i = 0; i < 8; i++) if (payload[start + i] !== DRAIN_PAYLOAD[i]) return false;
    this.#sayLast();
    return true;
  }

  // Events of the byte stream

  data(chunk: Uint8Array): boolean | void {
    if (this.#state === "ending" || this.#state === "closed") return;
    this.#keepalive.heard();
    if (!this.#turns.later(chunk)) return this.#read(chunk);
  }

  readonly #read = (chunk: Uint8Array): boolean | void => {
    if (this.#state === "ending" || this.#state === "closed") return;
    try {
      chunk = this.#preface?.read(chunk) ?? chunk;
      if (this.#preface?.done) this.#preface = undefined;
      const kept = this.#turns.read(chunk);
      this.checkControlBytes();
      return !kept;
    } catch (error) {
      this.fail(error instanceof Error ? error : new Http2Error(ErrorCode.INTERNAL_ERROR, String(error)));
    }
  };

  writable(): void {
    this.writer.drained();
    if (!this.writer.blocked) this.requests.written();
    if (this.#state === "ending" || this.#state === "closed") return;
    this.sender.pump();
    this.idle();
  }

  /**
   * The client half-closed: there are no more requests. Those that are complete are answered; the others never will be.
   * A client that is gone altogether rejects PINGs, so that its requests end, too.
   */
  end(): void {
    if (this.#state === "closed" || this.#clientEnded || this.#turns.after(() => this.end())) return;
    this.#clientEnded = true;
    if (this.#state === "ending") return this.bytes.destroy();
    // A drain that waits to hear that the client opens no more streams has heard it.
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#keepalive.stop();
    this.requests.failAll(lost(), (stream) => !stream.endReceived);
    if (this.streams.size > 0) this.#probe();
    else this.#endIfIdle();
  }

  /** Nothing is read any more, so that only a write can fail: the one after that which the client's system rejected. */
  #probe(): void {
    this.writer.ping(DRAIN_PAYLOAD);
    this.#probeTimer = this.clock.timer(PROBE_MS, () => this.#probe());
  }

  closed(cause?: Error): void {
    if (this.#state === "closed") return;
    const ending = this.#state === "ending";
    this.#state = "closed";
    this.#stop();
    this.writer.close();
    if (this.held) this.held = false;
    this.requests.failAll(lost(cause));
    this.#events.closed?.(ending ? this.#cause : cause);
  }
}

function lost(cause?: Error): Http2Error {
  const why = cause === undefined ? "the client closed the connection" : `the connection was lost: ${cause.message}`;
  return new Http2Error(ErrorCode.CANCEL, why, cause === undefined ? {} : { cause });
}
