import type { Endpoint } from "../endpoint.ts";
import { ErrorCode, Http2Error } from "../wire/error.ts";
import { NoRoomError, StreamError } from "./stream-error.ts";
import type { Blame, Processed } from "./stream-error.ts";
import { StreamWindow } from "../wire/flow.ts";
import { DEFAULT_WINDOW, MAX_STREAM_ID } from "../wire/frame.ts";
import { fieldListBytes } from "../wire/hpack-encoder.ts";
import { CancelledStreams } from "../cancelled-streams.ts";
import type { ClientStream } from "./stream.ts";
import { StreamQueue } from "../stream-queue.ts";
import type { StreamTable } from "../stream-table.ts";

/** The client's end of a connection, as far as it is like any end. */
export type ClientEndpoint = Endpoint<ClientStream>;

/** What requests need of their connection beyond that, and tell it. */
export interface RequestsHost {
  /** Whether a request that is made now can be sent, maybe later. */
  readonly usable: boolean;
  /** Whether requests can be sent now: the server is there, and does not owe the answer to a keepalive ping. */
  readonly sending: boolean;
  /** Whether requests that find no place under MAX_CONCURRENT_STREAMS fail instead of waiting. */
  readonly declinesWhenFull: boolean;
  /** Why it drains, if something is wrong. */
  readonly whyDraining: Error | undefined;
  /** There is a request. */
  busy(): void;
  /** All requests are done. */
  idle(): void;
  /** There is room for requests again. */
  hasRoom(): void;
  /** There is no room for requests any more. */
  isFull(): void;
  /** Takes no new requests: the stream ids ran out. */
  drain(): void;
}

/** The requests of a connection: those that wait for a place, and those that are in flight. */
export class Requests {
  /** The streams that count against MAX_CONCURRENT_STREAMS (RFC 9113 section 5.1.2), by id. */
  readonly active: StreamTable<ClientStream>;
  /** The streams that this side reset, whose frames may still come. */
  readonly cancelled: CancelledStreams = new CancelledStreams();
  readonly #endpoint: ClientEndpoint;
  readonly #host: RequestsHost;
  readonly #waiting = new StreamQueue<ClientStream>();
  #nextId: number;
  #startingSoon = false;
  /** Section 6.5.3: whether the peer acknowledged this side's SETTINGS, so that its smaller windows hold. */
  #acknowledged = false;
  /** Places of requests that are about to come. */
  #reserved = 0;
  /** The server's MAX_CONCURRENT_STREAMS as of its newest SETTINGS. */
  #allowed = Infinity;

  constructor(endpoint: ClientEndpoint, host: RequestsHost, firstStreamId: number) {
    this.active = endpoint.streams;
    this.#endpoint = endpoint;
    this.#host = host;
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
    return this.#endpoint.peer.maxConcurrentStreams - this.#used;
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
    if (!this.#host.usable) {
      stream.close();
      stream.onFailed(connectionEnded("not-sent", this.#host.whyDraining));
      return;
    }
    const place = this.#waiting.size === 0 && this.#hasPlace();
    if (this.#host.declinesWhenFull && (!place || this.#reserved > 0) && this.room <= 0) {
      return this.#decline(stream);
    }
    stream.state = "waiting";
    this.#host.busy();
    // After a long silence, the first request puts the connection in doubt.
    if (place && this.#host.sending) this.#start(stream);
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
    if (stream.state === "open") this.#endpoint.writer.reset(stream.id, ErrorCode.NO_ERROR);
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
    if (stream.outgoing !== undefined) this.#endpoint.sender.drop(stream);
    stream.close();
    if (stream.id === 0) this.#waiting.delete(stream);
    else this.active.delete(stream.id);
    if (this.room === 1) this.#host.hasRoom();
    if (this.#waiting.size > 0) this.#startSoon();
    else if (this.active.size === 0) this.#host.idle();
  }

  /** Sends requests that wait, as far as there are places. */
  startWaiting(): void {
    for (let stream; (stream = this.#waiting.first) !== undefined && this.#hasPlace();) {
      this.#waiting.delete(stream);
      this.#start(stream);
      this.#endpoint.sender.enqueue(stream);
    }
    this.#endpoint.sender.pump();
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
      if (this.room === 1) this.#host.hasRoom();
    };
  }

  /** The newest SETTINGS may allow more streams, or fewer than wait for the byte stream. */
  #limitChanged(): void {
    const { maxConcurrentStreams } = this.#endpoint.peer;
    const wasFull = this.#used >= this.#allowed;
    this.#allowed = maxConcurrentStreams;
    if (wasFull && this.room > 0) this.#host.hasRoom();
    else if (!wasFull && this.room <= 0) this.#host.isFull();
    if (!this.#host.declinesWhenFull || this.active.size < maxConcurrentStreams) return;
    for (const stream of [...this.#waiting]) {
      this.#waiting.delete(stream);
      this.#decline(stream);
    }
  }

  /** The peer acknowledged this side's SETTINGS. */
  acknowledged(): void {
    if (this.#acknowledged) return;
    this.#acknowledged = true;
    const { streamWindowBytes } = this.#endpoint.limits;
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
    const { sender, writer } = this.#endpoint;
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
      // Else the connection, which what the stream still holds on loan refers to, would keep it for good.
      this.#endpoint.sender.drop(stream);
      stream.close();
      stream.onFailed(error);
    }
  }

  #decline(stream: ClientStream): void {
    stream.close();
    stream.onFailed(new NoRoomError(this.#endpoint.peer.maxConcurrentStreams));
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
    const { peer, writer } = this.#endpoint;
    return this.#host.sending && !writer.blocked && this.active.size < peer.maxConcurrentStreams;
  }

  #start(stream: ClientStream): void {
    const { encoder, limits: { maxRequestHeaderListBytes, streamWindowBytes }, peer, writer } = this.#endpoint;
    const template = stream.template!;
    const bytes = stream.extra === undefined ? template.bytes : template.bytes + fieldListBytes(stream.extra);
    // Section 10.5.1: the server's limit is advisory, but it would refuse the request, or end the connection for it.
    if (bytes > maxRequestHeaderListBytes || bytes > peer.maxHeaderListSize) return this.#tooLarge(stream, bytes);
    const id = this.#nextId;
    this.#nextId += 2;
    writer.headers(id, encoder.template(template), encoder.literals(stream.extra), peer.maxFrameSize);
    const window = this.#acknowledged ? streamWindowBytes : Math.max(streamWindowBytes, DEFAULT_WINDOW);
    stream.opened(id, new StreamWindow(window));
    this.active.add(stream);
    if (this.room === 0) this.#host.isFull();
    // Section 5.1.1: a connection whose ids ran out is replaced.
    if (this.#nextId > MAX_STREAM_ID) this.#host.drain();
  }

  #tooLarge(stream: ClientStream, bytes: number): void {
    const { limits: { maxRequestHeaderListBytes }, peer: { maxHeaderListSize } } = this.#endpoint;
    const most = Math.min(maxHeaderListSize, maxRequestHeaderListBytes);
    const whose = most === maxHeaderListSize ? "that the server allows" : "of limits.maxRequestHeaderListBytes";
    const why = `the request's headers are ${bytes} bytes, larger than the ${most} bytes ${whose}`;
    this.fail(stream, new StreamError(ErrorCode.ENHANCE_YOUR_CALM, why, "not-sent", "stream"));
  }

  #reset(stream: ClientStream, code: number): void {
    this.cancelled.add(stream.id, Math.max(0, stream.receiveWindow!.left));
    this.#endpoint.writer.reset(stream.id, code);
  }
}

/** The error of a stream whose connection ended. */
export function connectionEnded(processed: Processed, cause: Error | undefined): StreamError {
  const why = cause?.message ?? "it is closed";
  const text = processed === "maybe" ? `the connection was lost: ${why}` : `the connection takes no requests: ${why}`;
  const code = cause instanceof Http2Error ? cause.code : ErrorCode.INTERNAL_ERROR;
  return new StreamError(code, text, processed, "connection", cause === undefined ? {} : { cause });
}
