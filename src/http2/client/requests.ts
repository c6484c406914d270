// Opening, queueing and ending the requests of a connection.

import type { Endpoint } from "../endpoint.ts";
import * as ErrorCode from "../wire/error-code.ts";
import { type Blame, connectionEnded, headersTooLarge, NoRoomError, StreamError } from "./stream-error.ts";
import { StreamWindow } from "../wire/flow.ts";
import { DEFAULT_WINDOW, MAX_STREAM_ID } from "../wire/frame.ts";
import { fieldListBytes } from "../wire/hpack-encoder.ts";
import { MOST_STREAMS } from "../wire/settings.ts";
import { CancelledStreams } from "../cancelled-streams.ts";
import type { ClientStream } from "./stream.ts";
import { StreamQueue } from "../stream-queue.ts";
import type { StreamTable } from "../stream-table.ts";

/** The client's end of a connection, without what only a client has. */
export type ClientEndpoint = Endpoint<ClientStream>;

/** What {@link Requests} needs from its connection beyond that, and what it reports to it. */
export interface RequestsHost {
  /** Whether new requests are accepted, to be sent now or later. */
  readonly usable: boolean;
  /** Whether requests can be sent now: the connection is ready, and no keepalive ping is unacknowledged. */
  readonly sending: boolean;
  /** Whether requests beyond MAX_CONCURRENT_STREAMS fail instead of waiting. */
  readonly declinesWhenFull: boolean;
  /** Why the connection drains, if because of an error. */
  readonly whyDraining: Error | undefined;
  /** A request was made that is not a background one. */
  busy(): void;
  /** All requests are done, except for background ones. */
  idle(): void;
  /** There is room for requests again. */
  hasRoom(): void;
  /** There is no more room for requests. */
  isFull(): void;
  /** The stream ids ran out: the connection must take no new requests. */
  drain(): void;
}

/** The requests of a connection: those waiting for room and those in flight. */
export class Requests {
  /** The streams that count against MAX_CONCURRENT_STREAMS (RFC 9113 section 5.1.2), by id. */
  readonly active: StreamTable<ClientStream>;
  /** The streams that this side reset, whose frames may still arrive. */
  readonly cancelled: CancelledStreams = new CancelledStreams();
  readonly #endpoint: ClientEndpoint;
  readonly #host: RequestsHost;
  readonly #waiting = new StreamQueue<ClientStream>();
  /** How many of those in flight or waiting are background requests. */
  #background = 0;
  /** The id of the next stream; every odd id below it was used. */
  nextId = 1;
  /** How many of those that were sent have ended before their whole response arrived. */
  failed = 0;
  #startingSoon = false;
  /** Section 6.5.3: whether the peer acknowledged this side's SETTINGS, so that its smaller windows apply. */
  #acknowledged = false;
  /** Places reserved for requests that are about to be made. */
  #reserved = 0;
  /** Requests that will never be sent: the owner of one may cancel others, and the server must not learn of them. */
  #takenBack: ReadonlySet<number> | undefined;
  /** The server's MAX_CONCURRENT_STREAMS as of its latest SETTINGS. */
  #allowed: number = MOST_STREAMS;

  constructor(endpoint: ClientEndpoint, host: RequestsHost) {
    this.active = endpoint.streams;
    this.#endpoint = endpoint;
    this.#host = host;
  }

  /** How many requests were ever sent. */
  get started(): number {
    return (this.nextId - 1) / 2;
  }
  /** How many requests wait. */
  get waiting(): number {
    return this.#waiting.size;
  }
  /** How many more requests the server allows; those that wait for the byte stream count as in flight. */
  get room(): number {
    // Every pick asks.
    return this.#endpoint.peer.maxConcurrentStreams - this.active.size - this.#waiting.size - this.#reserved;
  }
  /** Whether no request is in flight or waiting. */
  get none(): boolean {
    return this.active.size === 0 && this.#waiting.size === 0;
  }

  /** Sends a stream's request, or queues it. */
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
    if (stream.background) this.#background++;
    else this.#host.busy();
    // After a long silence, the first request makes keepalive ping first, and waits for the answer.
    if (place && this.#host.sending) this.#start(stream);
    else this.#waiting.add(stream);
  }

  /** Cancels a request without calling it back. */
  cancel(stream: ClientStream, code: number): void {
    // Servers count resets and close connections that send many, so a reset that changes nothing is not sent.
    if (stream.endReceived) return this.finish(stream);
    if (stream.id !== 0) this.#reset(stream, code);
    this.forget(stream);
  }

  /** The response is complete, which ends the exchange: an incomplete request is cut off (section 8.1). */
  finish(stream: ClientStream): void {
    if (stream.state === "open") this.#endpoint.writer.reset(stream.id, ErrorCode.NO_ERROR);
    this.forget(stream);
  }

  /** Fails a single stream; the connection goes on (section 5.4.2). */
  fail(stream: ClientStream, error: StreamError): void {
    if (stream.closed) return;
    if (stream.id !== 0 && error.by === "stream") this.#reset(stream, error.code);
    this.forget(stream);
    stream.onFailed(error);
  }

  /** Releases a stream that is done, and gives its place to the next. */
  forget(stream: ClientStream): void {
    if (stream.closed) return;
    if (stream.outgoing !== undefined) this.#endpoint.sender.drop(stream);
    this.#close(stream);
    if (stream.id === 0) this.#waiting.delete(stream);
    else this.active.delete(stream.id);
    if (this.room === 1) this.#host.hasRoom();
    if (this.#waiting.size > 0) this.#startSoon();
    if (this.active.size + this.#waiting.size === this.#background) this.#host.idle();
  }

  /** Sends waiting requests, as far as there is room. */
  startWaiting(): void {
    for (let stream; (stream = this.#waiting.first) !== undefined && this.#hasPlace();) {
      this.#waiting.delete(stream);
      this.#start(stream);
      this.#endpoint.sender.enqueue(stream);
    }
    this.#endpoint.sender.pump();
    this.#limitChanged();
  }

  /** Reserves a place for a request that is about to be made. The function that it returns releases the place, once. */
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

  /** The latest SETTINGS may allow more streams, or fewer than wait for the byte stream. */
  #limitChanged(): void {
    const { maxConcurrentStreams } = this.#endpoint.peer;
    const wasFull = maxConcurrentStreams - this.room >= this.#allowed;
    this.#allowed = maxConcurrentStreams;
    if (wasFull && this.room > 0) this.#host.hasRoom();
    else if (!wasFull && this.room <= 0) this.#host.isFull();
    if (!this.#host.declinesWhenFull || this.active.size < maxConcurrentStreams) return;
    for (const stream of [...this.#waiting]) {
      this.#waiting.delete(stream);
      if (!stream.closed) this.#decline(stream);
    }
  }

  /** The peer acknowledged this side's SETTINGS. */
  acknowledged(): void {
    if (this.#acknowledged) return;
    this.#acknowledged = true;
    const { streamWindowBytes } = this.#endpoint.limits;
    for (const stream of this.active) stream.receiveWindow?.resize(streamWindowBytes);
  }

  /** Fails the waiting requests. */
  failWaiting(cause: Error | undefined): void {
    const waiting = [...this.#waiting];
    for (const stream of waiting) this.#waiting.delete(stream);
    for (const stream of waiting) {
      // The owner of one may have cancelled others.
      if (stream.closed) continue;
      this.#close(stream);
      stream.onFailed(connectionEnded("not-sent", cause));
    }
  }

  /** Ends the background requests in flight, which may otherwise go on for as long as the connection does. */
  endBackground(why: string): void {
    if (this.#background === 0) return;
    for (const stream of [...this.active]) {
      if (!stream.background || stream.closed) continue;
      stream.cancel();
      stream.onFailed(new StreamError(ErrorCode.CANCEL, why, "maybe", "connection"));
    }
  }

  /**
   * Fails the requests whose HEADERS have not been written, and never sends them: a server that sent GOAWAY may answer
   * what arrives after it, as C-core does with CANCELLED while it shuts down.
   */
  takeBack(code: number, why: string): void {
    const { sender, writer } = this.#endpoint;
    const { ids, contentBytes } = writer.takeBack();
    sender.window.left += contentBytes;
    this.#takenBack = ids;
    for (const id of ids) {
      const stream = this.active.get(id);
      if (stream === undefined) continue;
      this.fail(stream, new StreamError(code, why, stream.headReceived ? "maybe" : "not-sent", "connection"));
    }
    sender.pump();
  }

  /**
   * Fails the requests in flight without notifying the peer. `unsent`: the ids of those whose HEADERS were never
   * written; `blame` gives the part that each of the others had in it.
   */
  failActive(
    cause: Error | undefined,
    unsent: ReadonlySet<number>,
    blame: (stream: ClientStream) => Blame | undefined,
  ): void {
    const active = [...this.active];
    this.active.clear();
    for (const stream of active) {
      if (stream.closed) continue;
      const notSent = unsent.has(stream.id) && !stream.headReceived;
      const error = connectionEnded(notSent ? "not-sent" : "maybe", cause);
      if (!notSent) error.blame = blame(stream);
      // Otherwise the connection, which the stream's unread loan refers to, would retain it for good.
      this.#endpoint.sender.drop(stream);
      this.#close(stream);
      stream.onFailed(error);
    }
  }

  /** The one place where a request that was accepted is closed. */
  #close(stream: ClientStream): void {
    if (stream.background && stream.state !== "new") this.#background--;
    if (stream.id !== 0 && !stream.endReceived) this.failed++;
    stream.close();
  }

  #decline(stream: ClientStream): void {
    this.#close(stream);
    stream.onFailed(new NoRoomError(this.#endpoint.peer.maxConcurrentStreams));
  }

  /** Deferred: what ended one request, such as a shared signal, may be about to end those that wait. */
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
    // Section 10.5.1: the server's limit is advisory, but it may close the connection on a larger request.
    if (bytes > maxRequestHeaderListBytes || bytes > peer.maxHeaderListSize) {
      return this.fail(stream, headersTooLarge(bytes, peer.maxHeaderListSize, maxRequestHeaderListBytes));
    }
    const id = this.nextId;
    this.nextId += 2;
    writer.headers(id, encoder.template(template), encoder.literals(stream.extra), peer.maxFrameSize);
    const window = this.#acknowledged ? streamWindowBytes : Math.max(streamWindowBytes, DEFAULT_WINDOW);
    stream.opened(id, new StreamWindow(window));
    this.active.add(stream);
    if (this.room === 0) this.#host.isFull();
    // Section 5.1.1: a connection whose ids ran out is replaced.
    if (this.nextId > MAX_STREAM_ID) this.#host.drain();
  }

  #reset(stream: ClientStream, code: number): void {
    if (this.#takenBack?.has(stream.id)) return;
    this.cancelled.add(stream.id, Math.max(0, stream.receiveWindow!.left));
    this.#endpoint.writer.reset(stream.id, code);
  }
}
