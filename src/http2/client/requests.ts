import type { Connection } from "./connection.ts";
import { ErrorCode, Http2Error, NoRoomError, StreamError } from "../wire/error.ts";
import type { Blame, Processed } from "../wire/error.ts";
import { StreamWindow } from "../wire/flow.ts";
import { DEFAULT_WINDOW, MAX_STREAM_ID } from "../wire/frame.ts";
import { fieldListBytes } from "../wire/hpack-encoder.ts";
import { CancelledStreams } from "../limits.ts";
import type { ClientStream } from "./stream.ts";
import { StreamQueue } from "../stream-queue.ts";
import { StreamTable } from "../stream-table.ts";

/** The requests of a connection: those that wait for a place, and those that are in flight. */
export class Requests {
  /** The streams that count against MAX_CONCURRENT_STREAMS (RFC 9113 section 5.1.2), by id. */
  readonly active: StreamTable = new StreamTable();
  /** The streams that this side reset, whose frames may still come. */
  readonly cancelled: CancelledStreams = new CancelledStreams();
  readonly #connection: Connection;
  readonly #waiting = new StreamQueue();
  #nextId: number;
  #startingSoon = false;
  /** Section 6.5.3: whether the peer acknowledged this side's SETTINGS, so that its smaller windows hold. */
  #acknowledged = false;
  /** Places of requests that are about to come. */
  #reserved = 0;
  /** The server's MAX_CONCURRENT_STREAMS as of its newest SETTINGS. */
  #allowed = Infinity;

  constructor(connection: Connection, firstStreamId: number) {
    this.#connection = connection;
    this.#nextId = firstStreamId;
  }

  /** The id that the next stream gets; every odd id below it was used. */
  get nextId(): number {
    return this.#nextId;
  }
  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }
  /** How many more the server allows; those that wait for the byte stream count as in flight. */
  get room(): number {
    return this.#connection.peer.maxConcurrentStreams - this.#used;
  }
  get #used(): number {
    return this.active.size + this.#waiting.size + this.#reserved;
  }
  /** Whether none is in flight and none waits. */
  get none(): boolean {
    return this.active.size === 0 && this.#waiting.size === 0;
  }

  /** Sends a stream's request, or lets it wait. */
  open(stream: ClientStream): void {
    if (!this.#connection.usable) {
      stream.close();
      stream.onFailed(connectionEnded("not-sent", this.#connection.whyDraining));
      return;
    }
    const place = this.#waiting.size === 0 && this.#hasPlace();
    if (this.#connection.declinesWhenFull && (!place || this.#reserved > 0) && this.room <= 0) {
      return this.#decline(stream);
    }
    stream.state = "waiting";
    this.#connection.hold(true);
    // After a long silence, the first request puts the connection in doubt.
    if (place && !this.#connection.doubtful) this.#start(stream);
    else this.#waiting.add(stream);
  }

  /** Gives a request up, without a word to it. */
  cancel(stream: ClientStream, code: number): void {
    // Servers count resets and end the connection of who sends many, so none is sent that says nothing.
    if (stream.endReceived) return this.finish(stream);
    if (stream.id !== 0) this.#reset(stream, code);
    this.forget(stream);
  }

  /** The response is complete, and with it the exchange: a request that isn't is cut off (section 8.1). */
  finish(stream: ClientStream): void {
    if (stream.state === "open") this.#connection.writer.reset(stream.id, ErrorCode.NO_ERROR);
    this.forget(stream);
  }

  /** Ends a stream with an error of its own; the connection goes on (section 5.4.2). */
  fail(stream: ClientStream, error: StreamError): void {
    if (stream.closed) return;
    if (stream.id !== 0 && error.by === "stream") this.#reset(stream, error.code);
    this.forget(stream);
    stream.onFailed(error);
  }

  /** Lets go of a stream that is done, and gives its place to the next. */
  forget(stream: ClientStream): void {
    if (stream.closed) return;
    if (stream.outgoing !== undefined) this.#connection.sender.drop(stream);
    stream.close();
    if (stream.id === 0) this.#waiting.delete(stream);
    else this.active.delete(stream.id);
    if (this.room === 1) this.#connection.hasRoom();
    if (this.#waiting.size > 0) this.#startSoon();
    else if (this.active.size === 0) this.#connection.idle();
  }

  /** Sends requests that wait, as far as there are places. */
  startWaiting(): void {
    for (let stream; (stream = this.#waiting.first) !== undefined && this.#hasPlace();) {
      this.#waiting.delete(stream);
      this.#start(stream);
      this.#connection.sender.enqueue(stream);
    }
    this.#connection.sender.pump();
    this.#limitChanged();
  }

  /** Keeps a place for a request that is about to come; what it returns gives the place back, once. */
  reserve(): () => void {
    let reserved = true;
    this.#reserved++;
    return () => {
      if (!reserved) return;
      reserved = false;
      this.#reserved--;
      if (this.room === 1) this.#connection.hasRoom();
    };
  }

  /** The newest SETTINGS may allow more streams, or fewer than wait for the byte stream. */
  #limitChanged(): void {
    const { maxConcurrentStreams } = this.#connection.peer;
    const wasFull = this.#used >= this.#allowed;
    this.#allowed = maxConcurrentStreams;
    if (wasFull && this.room > 0) this.#connection.hasRoom();
    else if (!wasFull && this.room <= 0) this.#connection.isFull();
    if (!this.#connection.declinesWhenFull || this.active.size < maxConcurrentStreams) return;
    for (const stream of [...this.#waiting]) {
      this.#waiting.delete(stream);
      this.#decline(stream);
    }
  }

  /** The peer acknowledged this side's SETTINGS. */
  acknowledged(): void {
    if (this.#acknowledged) return;
    this.#acknowledged = true;
    const { streamWindowBytes } = this.#connection.limits;
    for (const stream of this.active) stream.receiveWindow?.resize(streamWindowBytes);
  }

  /** Ends those that wait. */
  failWaiting(cause: Error | undefined): void {
    const waiting = [...this.#waiting];
    for (const stream of waiting) this.#waiting.delete(stream);
    for (const stream of waiting) {
      stream.close();
      stream.onFailed(connectionEnded("not-sent", cause));
    }
  }

  /**
   * Ends those whose HEADERS have not left, and keeps them from the peer: a server that has sent GOAWAY may answer what it
   * gets behind it, as C-core does with CANCELLED while it shuts down.
   */
  takeBack(code: number, why: string): void {
    const { sender, writer } = this.#connection;
    const { ids, contentBytes } = writer.takeBack();
    sender.window.left += contentBytes;
    for (const id of ids) {
      const stream = this.active.get(id);
      if (stream === undefined) continue;
      this.fail(stream, new StreamError(code, why, stream.headReceived ? "maybe" : "not-sent", "connection"));
    }
    sender.pump();
  }

  /**
   * Ends those that are in flight, without a word to the peer. `unsent`: the ids of those whose HEADERS never left;
   * `blame` says what each of the others had to do with it.
   */
  failActive(
    cause: Error | undefined,
    unsent: ReadonlySet<number>,
    blame: (stream: ClientStream) => Blame | undefined,
  ): void {
    const active = [...this.active];
    this.active.clear();
    for (const stream of active) {
      const notSent = unsent.has(stream.id) && !stream.headReceived;
      const error = connectionEnded(notSent ? "not-sent" : "maybe", cause);
      if (!notSent) error.blame = blame(stream);
      stream.close();
      stream.onFailed(error);
    }
  }

  #decline(stream: ClientStream): void {
    stream.close();
    stream.onFailed(new NoRoomError(this.#connection.peer.maxConcurrentStreams));
  }

  /** Not at once: what ended one request may be about to end those that wait, such as a signal they share. */
  #startSoon(): void {
    if (this.#startingSoon) return;
    this.#startingSoon = true;
    queueMicrotask(() => {
      this.#startingSoon = false;
      this.startWaiting();
    });
  }

  #hasPlace(): boolean {
    const { doubtful, peer, state, writer } = this.#connection;
    return state === "ready" && !doubtful && !writer.blocked && this.active.size < peer.maxConcurrentStreams;
  }

  #start(stream: ClientStream): void {
    const { encoder, limits: { maxRequestHeaderListBytes, streamWindowBytes }, peer, writer } = this.#connection;
    const template = stream.template!;
    const bytes = stream.extra === undefined ? template.bytes : template.bytes + fieldListBytes(stream.extra);
    // Section 10.5.1: the server's limit is advisory, but it would refuse the request, or end the connection for it.
    if (bytes > maxRequestHeaderListBytes || bytes > peer.maxHeaderListSize) return this.#tooLarge(stream, bytes);
    const id = this.#nextId;
    this.#nextId += 2;
    writer.headers(id, encoder.template(template), stream.literals(), peer.maxFrameSize);
    const window = this.#acknowledged ? streamWindowBytes : Math.max(streamWindowBytes, DEFAULT_WINDOW);
    stream.opened(id, new StreamWindow(window));
    this.active.add(stream);
    if (this.room === 0) this.#connection.isFull();
    // Section 5.1.1: a connection whose ids ran out is replaced.
    if (this.#nextId > MAX_STREAM_ID) this.#connection.drain();
  }

  #tooLarge(stream: ClientStream, bytes: number): void {
    const { limits: { maxRequestHeaderListBytes }, peer: { maxHeaderListSize } } = this.#connection;
    const most = Math.min(maxHeaderListSize, maxRequestHeaderListBytes);
    const whose = most === maxHeaderListSize ? "that the server allows" : "of limits.maxRequestHeaderListBytes";
    const why = `the request's headers are ${bytes} bytes, larger than the ${most} bytes ${whose}`;
    this.fail(stream, new StreamError(ErrorCode.ENHANCE_YOUR_CALM, why, "not-sent", "stream"));
  }

  #reset(stream: ClientStream, code: number): void {
    this.cancelled.add(stream.id, Math.max(0, stream.receiveWindow!.left));
    this.#connection.writer.reset(stream.id, code);
  }
}

/** The error of a stream whose connection ended. */
export function connectionEnded(processed: Processed, cause: Error | undefined): StreamError {
  const why = cause?.message ?? "it is closed";
  const text = processed === "maybe" ? `the connection was lost: ${why}` : `the connection takes no requests: ${why}`;
  const code = cause instanceof Http2Error ? cause.code : ErrorCode.INTERNAL_ERROR;
  return new StreamError(code, text, processed, "connection", cause === undefined ? {} : { cause });
}
