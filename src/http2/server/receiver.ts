// Receiving a client's frames.

import { Receiver } from "../receiver.ts";
import { ErrorCode, errorCodeText, Http2Error } from "../wire/error.ts";
import { FRAME_HEADER_BYTES } from "../wire/frame.ts";
import type { FrameSink } from "../wire/frame-reader.ts";
import type { HeaderBlock } from "../wire/header-block.ts";
import { hasPseudo, requestKind } from "./request-fields.ts";
import type { Requests, ServerEndpoint } from "./requests.ts";
import type { ServerStream } from "./stream.ts";

/** A whole WINDOW_UPDATE frame. */
const WINDOW_UPDATE_BYTES = FRAME_HEADER_BYTES + 4;

/** So much of a header section takes as long as a small request. */
const SECTION_BYTES = 256;

/** So much content in one frame does, too. */
const CONTENT_BYTES = 4_096;

/** A request that is reset takes as long as several: its handler is aborted. */
const RESET_COST = 3;

/** What a receiver reports to its connection. */
export interface ReceiverEvents {
  /** The client's first SETTINGS arrived. */
  opened(): void;
  /** A PING arrived. @throws Http2Error if it may not */
  pinged(): void;
  /** What was read took as much work as this many small requests. */
  worked(cost: number): void;
  /** A PING was acknowledged. Returns whether it was one of the connection's. */
  pingAcknowledged(payload: Uint8Array, start: number): boolean;
}

/**
 * Handles the frames from the client (RFC 9113 sections 5, 6 and 8). A connection error is thrown; a stream error ends
 * that stream alone.
 */
export class RequestReceiver extends Receiver<ServerStream> implements FrameSink {
  readonly #endpoint: ServerEndpoint;
  readonly #requests: Requests;
  readonly #events: ReceiverEvents;

  constructor(endpoint: ServerEndpoint, requests: Requests, events: ReceiverEvents) {
    super(endpoint, requestKind);
    this.#endpoint = endpoint;
    this.#requests = requests;
    this.#events = events;
  }

  onHeaders(id: number, bytes: Uint8Array, start: number, end: number, endStream: boolean): void {
    // Section 4.3: a block is decoded even if nothing needs it, as it changes the dynamic table.
    const block = this.hpack.decode(bytes, start, end);
    this.#events.worked(1 + Math.floor((end - start) / SECTION_BYTES));
    if (id > this.#requests.lastId) {
      // Section 5.1.1.
      if (id % 2 === 0) throw new Http2Error(ErrorCode.PROTOCOL_ERROR, `a client's stream can't have the id ${id}`);
      this.#counted(block, end - start);
      return this.#requests.open(id, block, endStream);
    }
    const stream = this.#stream(id);
    if (stream === undefined) {
      if (this.#requests.expects(id, block.bytes, endStream)) return;
      // Section 5.1: the client has ended or reset the stream itself.
      throw new Http2Error(ErrorCode.STREAM_CLOSED, `HEADERS on stream ${id}, which is closed`);
    }
    this.#counted(block, end - start);
    this.#trailers(stream, block, endStream);
  }

  #counted(block: HeaderBlock, bytes: number): void {
    if (block.tooLarge) this.refusedSection(bytes);
    else this.flood.useful();
  }

  #trailers(stream: ServerStream, block: HeaderBlock, endStream: boolean): void {
    if (stream.endReceived) return this.fail(stream, ErrorCode.STREAM_CLOSED, "HEADERS after the end of the request");
    if (!endStream) return this.#requests.malformed(stream, "trailers without END_STREAM");
    stream.endedRemotely();
    if (block.malformed !== undefined) return this.#requests.malformed(stream, block.malformed);
    if (hasPseudo(block)) return this.#requests.malformed(stream, "trailers with pseudo-header fields");
    if (block.tooLarge) return this.fail(stream, ErrorCode.ENHANCE_YOUR_CALM, "the request's trailers are too large");
    this.#end(stream, block);
  }

  onData(
    id: number,
    chunk: Uint8Array,
    start: number,
    end: number,
    flowLength: number,
    endStream: boolean,
  ): boolean | void {
    const stream = this.#stream(id);
    if (flowLength >= 0) {
      if (flowLength >= CONTENT_BYTES) this.#events.worked(Math.floor(flowLength / CONTENT_BYTES));
      this.receive(flowLength);
      if (stream === undefined) this.#afterEnd(id, flowLength, endStream);
      else if (end === start && !endStream) this.onIgnored();
      else this.flood.useful();
    }
    if (stream === undefined) return;
    if (stream.endReceived) return this.fail(stream, ErrorCode.STREAM_CLOSED, "DATA after the end of the request");
    if (flowLength > 0 && !stream.receiveWindow!.receive(flowLength)) {
      return this.fail(stream, ErrorCode.FLOW_CONTROL_ERROR, "the client exceeded the stream's window");
    }
    if (stream.contentLeft >= 0 && (stream.contentLeft -= end - start) < 0) {
      return this.#requests.malformed(stream, "more content than its content-length");
    }
    if (endStream) stream.endedRemotely();
    // What arrives whole, as most requests do, never counts as unfinished.
    if ((!endStream || stream.longLived) && end > start && !this.#requests.hold(stream, end - start)) {
      return this.#events.worked(RESET_COST);
    }
    const passedOn = end > start && stream.responding ? stream.onData(chunk, start, end) : true;
    if (endStream) this.#end(stream, undefined);
    return passedOn;
  }

  /** The request is complete. */
  #end(stream: ServerStream, trailers: HeaderBlock | undefined): void {
    if (stream.closed) return;
    if (stream.contentLeft > 0) return this.#requests.malformed(stream, "less content than its content-length");
    if (stream.bufferedBytes > 0 && !stream.longLived) this.#requests.release(stream, Infinity);
    if (stream.responding) stream.onEnd(trailers);
  }

  onReset(id: number, code: number): void {
    const stream = this.#stream(id);
    if (stream === undefined) {
      if (!this.#requests.expects(id, 0, true)) this.onIgnored();
      return;
    }
    this.#events.worked(RESET_COST);
    this.#requests.wasReset(stream, new Http2Error(code, `the client reset the stream: ${errorCodeText(code)}`));
  }

  override onPing(payload: Uint8Array, start: number): void {
    super.onPing(payload, start);
    this.#events.pinged();
  }

  override onPingAck(payload: Uint8Array, start: number): void {
    if (!this.#events.pingAcknowledged(payload, start)) super.onPingAck(payload, start);
  }

  /** Section 6.8: the client takes no streams from this side, and there are none. It may go on opening its own. */
  onGoaway(): void {
    this.controlled();
  }

  protected settled(first: boolean): void {
    if (first) this.#events.opened();
    this.#endpoint.sender.pump();
  }

  protected acknowledged(): void {
    this.#requests.acknowledged();
  }

  protected updated(id: number): ServerStream | undefined {
    const stream = this.#stream(id);
    if (stream === undefined && !this.#requests.expects(id, WINDOW_UPDATE_BYTES, false)) this.onIgnored();
    return stream;
  }

  protected fail(stream: ServerStream, code: number, why: string): void {
    this.#events.worked(RESET_COST);
    this.#requests.fail(stream, code, why);
  }

  /** The stream of a frame; undefined if it is closed. Section 5.1: a frame on an idle stream is a connection error. */
  #stream(id: number): ServerStream | undefined {
    const stream = this.#endpoint.streams.get(id);
    if (stream === undefined && !this.#requests.used(id)) {
      throw new Http2Error(ErrorCode.PROTOCOL_ERROR, `a frame on stream ${id}, which was never opened`);
    }
    return stream;
  }

  /**
   * DATA on a closed stream. Section 5.1: what was sent before this side's reset arrived is ignored. If the client had
   * ended the stream itself, it is a stream error.
   */
  #afterEnd(id: number, bytes: number, last: boolean): void {
    const expected = this.#requests.expects(id, bytes, last);
    // Empty DATA takes nothing of the stream's window and could go on indefinitely.
    if (!expected || (bytes === 0 && !last)) this.onIgnored();
    if (!expected) this.#endpoint.writer.refuse(id, ErrorCode.STREAM_CLOSED);
  }
}
