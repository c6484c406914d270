// Accepting, answering and ending the requests of a connection.

import { CancelledStreams } from "../cancelled-streams.ts";
import type { Endpoint } from "../endpoint.ts";
import { ErrorCode, Http2Error } from "../wire/error.ts";
import { StreamWindow } from "../wire/flow.ts";
import { DEFAULT_WINDOW, Flag } from "../wire/frame.ts";
import { requestFault } from "./request-fields.ts";
import type { HeaderBlock } from "../wire/header-block.ts";
import type { HeaderTemplate } from "../wire/hpack-encoder.ts";
import type { BufferedBytes } from "./buffered-bytes.ts";
import { EarlyResponses } from "./early-responses.ts";
import type { ServerConnectionOptions } from "./options.ts";
import { newRefusedCounter, type RefusedCounter } from "./refused.ts";
import { ResetGuard } from "./reset-guard.ts";
import type { ServerStream, ServerStreamConnection } from "./stream.ts";

/** Header sections up to this size don't count as buffered: a server that holds too much still answers small requests. */
const SMALL_HEAD_BYTES = 4 * 1024;

/** The server's end of a connection, without what only a server has. */
export type ServerEndpoint = Endpoint<ServerStream>;

/** What {@link Requests} needs from its connection beyond that, and what it reports to it. */
export interface RequestsHost extends Omit<ServerStreamConnection, "requests"> {
  readonly accept: (head: HeaderBlock) => ServerStream;
  readonly maxConcurrentStreams: number;
  readonly buffered: BufferedBytes;
  /** The first request came. */
  busy(): void;
  /** All requests are answered. */
  idle(): void;
}

/** The requests of a connection, which its client opens. */
export class Requests {
  /** The id of the client's latest stream. */
  lastId = 0;
  /** How many requests there were. */
  started = 0;
  /** How many of them ended before the whole response was sent. */
  failed = 0;
  readonly early: EarlyResponses;
  /** The streams that this side ended, whose frames may still arrive. */
  readonly #cancelled = new CancelledStreams();
  readonly #endpoint: ServerEndpoint;
  readonly #host: RequestsHost & ServerStreamConnection;
  readonly #resets: ResetGuard;
  readonly #refused: RefusedCounter;
  /** Closed streams whose handlers still run. */
  #lingering = 0;
  /** Streams that ended while the byte stream was full: the client can't know yet that they did. */
  #unwritten = 0;
  /** The last stream that is answered, once a GOAWAY has said which that is: those after it are ignored. */
  #lastAnswered: number | undefined;
  /** Section 6.5.3: whether the client acknowledged this side's SETTINGS, so that its smaller windows apply. */
  #acknowledged = false;
  /** Ranges of ids that the client left out, which were never streams. */
  readonly #skipped: number[] = [];

  constructor(
    endpoint: ServerEndpoint,
    host: RequestsHost & ServerStreamConnection,
    { refused, maxResets }: Pick<ServerConnectionOptions, "refused" | "maxResets"> = {},
  ) {
    this.#endpoint = endpoint;
    this.#host = host;
    this.#refused = refused ?? newRefusedCounter();
    this.#resets = new ResetGuard(endpoint.clock, maxResets);
    this.early = new EarlyResponses(endpoint.clock, (id) => endpoint.writer.reset(id, ErrorCode.NO_ERROR));
  }

  /** The last stream that was or may be answered, for GOAWAY (section 6.8). */
  get lastAnswered(): number {
    return this.#lastAnswered ?? this.lastId;
  }

  /** How many of them were answered. */
  get answered(): number {
    return this.started - this.failed - this.#endpoint.streams.size;
  }

  /** Whether a used id could be this one: it is odd, not above the latest, and was not left out. */
  used(id: number): boolean {
    if (id % 2 === 0 || id > this.lastId) return false;
    for (let i = 0; i < this.#skipped.length; i += 2) {
      if (id >= this.#skipped[i]! && id < this.#skipped[i + 1]!) return false;
    }
    return true;
  }

  /** A request with a new id arrived. */
  open(id: number, head: HeaderBlock, endStream: boolean): void {
    const { streams, limits: { streamWindowBytes } } = this.#endpoint;
    if (id > this.lastId + 2) this.#skip(id);
    this.lastId = id;
    this.started++;
    if (this.#lastAnswered !== undefined) {
      this.failed++;
      return this.#expectRest(id, endStream);
    }
    // Section 8.1.1.
    if ((!head.tooLarge && requestFault(head) !== undefined) || (endStream && head.contentLength > 0)) {
      this.#refuse(id, ErrorCode.PROTOCOL_ERROR, endStream);
      return this.#countReset();
    }
    if (streams.size + this.#lingering + this.#unwritten >= this.#host.maxConcurrentStreams) {
      this.#refused.streams++;
      return this.#refuse(id, ErrorCode.REFUSED_STREAM, endStream);
    }
    if (head.tooLarge) this.#refused.headers++;
    const stream = this.#host.accept(head);
    const window = this.#acknowledged ? streamWindowBytes : Math.max(streamWindowBytes, DEFAULT_WINDOW);
    stream.opened(id, this.#host, new StreamWindow(window));
    stream.contentLeft = head.contentLength;
    streams.add(stream);
    this.#host.busy();
    if (endStream) stream.endedRemotely();
    stream.onOpen();
    if (!stream.responding) return;
    if (endStream) stream.onEnd(undefined);
    else if (!stream.longLived && head.bytes > SMALL_HEAD_BYTES) this.hold(stream, head.bytes);
  }

  #skip(id: number): void {
    const first = this.lastId === 0 ? 1 : this.lastId + 2;
    // Honest clients leave out none.
    if (this.#skipped.length < 32) this.#skipped.push(first, id);
  }

  /** Counts a part of a request that is unfinished. Returns false if the server holds too much already. */
  hold(stream: ServerStream, bytes: number): boolean {
    if (this.#host.buffered.hold(bytes)) {
      stream.bufferedBytes += bytes;
      return true;
    }
    this.#refused.buffered++;
    if (stream.responding) stream.onOverloaded();
    this.giveUp(stream, ErrorCode.ENHANCE_YOUR_CALM, "the server holds too much of unfinished requests");
    return false;
  }

  /** The request is complete: nothing of it counts as unfinished, except what a long one's reader has not taken. */
  release(stream: ServerStream, bytes: number): void {
    const released = Math.min(bytes, stream.bufferedBytes);
    stream.bufferedBytes -= released;
    this.#host.buffered.release(released);
  }

  consumed(stream: ServerStream, bytes: number): void {
    if (stream.longLived) this.release(stream, bytes);
  }

  headers(stream: ServerStream, template: HeaderTemplate, extra: readonly string[] | undefined): void {
    const { encoder, peer, writer } = this.#endpoint;
    writer.headers(stream.id, encoder.template(template), encoder.literals(extra), peer.maxFrameSize);
  }

  trailers(stream: ServerStream, template: HeaderTemplate, extra: readonly string[] | undefined): void {
    const { encoder, peer, writer } = this.#endpoint;
    const block = encoder.template(template);
    writer.headers(stream.id, block, encoder.literals(extra), peer.maxFrameSize, Flag.END_STREAM);
    this.ended(stream);
  }

  /** The response is complete, which ends the exchange: nothing more of an incomplete request is read. */
  ended(stream: ServerStream): void {
    if (!stream.endReceived) {
      this.#expectMore(stream);
      this.early.add(stream.id);
    }
    this.forget(stream);
  }

  /** Whether a frame on a closed stream may have been sent before its client knew. `last`: it ends the request. */
  expects(id: number, bytes: number, last: boolean): boolean {
    if (last) this.early.delete(id);
    return this.#cancelled.expects(id, bytes, last);
  }

  /** Ends a stream without calling it back. */
  reset(stream: ServerStream, code: number): void {
    if (stream.closed) return;
    this.failed++;
    this.#reset(stream, code);
    this.forget(stream);
  }

  #reset(stream: ServerStream, code: number): void {
    if (!stream.endReceived) this.#expectMore(stream);
    this.#endpoint.writer.reset(stream.id, code);
  }

  #expectMore({ id, receiveWindow }: ServerStream): void {
    this.#cancelled.add(id, Math.max(0, receiveWindow!.left));
  }

  handled(_stream: ServerStream): void {
    this.#lingering--;
  }

  /** Section 8.1.1. */
  malformed(stream: ServerStream, why: string): void {
    this.fail(stream, ErrorCode.PROTOCOL_ERROR, `malformed request: ${why}`);
  }

  /** The client did what HTTP/2 forbids on a stream; the connection goes on (section 5.4.2). @throws Http2Error */
  fail(stream: ServerStream, code: number, why: string): void {
    if (stream.closed) return;
    this.#reset(stream, code);
    this.#failed(stream, new Http2Error(code, why));
    this.#countReset();
  }

  /** Resets a stream that can't go on, unless it was answered. */
  giveUp(stream: ServerStream, code: number, why: string): void {
    if (!stream.responding) return;
    this.#reset(stream, code);
    this.#failed(stream, new Http2Error(code, why));
  }

  /** The client reset a stream. @throws Http2Error */
  wasReset(stream: ServerStream, error: Http2Error): void {
    this.#failed(stream, error);
    this.#countReset();
  }

  #failed(stream: ServerStream, error: Http2Error): void {
    const { responding } = stream;
    this.failed++;
    this.forget(stream);
    if (responding) stream.onFailed(error);
  }

  #countReset(): void {
    if (this.#resets.reset(this.started)) return;
    throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "the client resets most of its requests");
  }

  /** Releases a stream that is done. */
  forget(stream: ServerStream): void {
    const { sender, streams, writer } = this.#endpoint;
    if (stream.outgoing !== undefined) sender.drop(stream);
    stream.close();
    streams.delete(stream.id);
    if (stream.bufferedBytes > 0) this.release(stream, Infinity);
    if (stream.handling) this.#lingering++;
    if (writer.blocked) this.#unwritten++;
    if (streams.size === 0) this.#host.idle();
  }

  /** A frame's stream is not accepted. The answer counts as one to the client's own frames, which it must read. */
  #refuse(id: number, code: number, endStream: boolean): void {
    this.failed++;
    this.#endpoint.writer.refuse(id, code);
    this.#expectRest(id, endStream);
  }

  #expectRest(id: number, endStream: boolean): void {
    if (!endStream) this.#cancelled.add(id, this.#endpoint.limits.streamWindowBytes);
  }

  /** New streams are ignored from now on: the client knows from a GOAWAY that they are not processed. */
  ignoreNew(): void {
    this.#lastAnswered ??= this.lastId;
  }

  /** What ended is written, and the client can know that it did. */
  written(): void {
    this.#unwritten = 0;
  }

  /** The client acknowledged this side's SETTINGS. */
  acknowledged(): void {
    if (this.#acknowledged) return;
    this.#acknowledged = true;
    const { limits: { streamWindowBytes }, streams } = this.#endpoint;
    if (streamWindowBytes >= DEFAULT_WINDOW) return;
    for (const stream of streams) stream.receiveWindow?.resize(streamWindowBytes);
  }

  /** Fails the streams for which `which` holds, without telling the client. */
  failAll(error: Http2Error, which: (stream: ServerStream) => boolean = () => true): void {
    for (const stream of [...this.#endpoint.streams]) {
      // What failed one may have ended others.
      if (!stream.closed && which(stream)) this.#failed(stream, error);
    }
  }
}
