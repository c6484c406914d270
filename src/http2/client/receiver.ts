// Receiving a server's frames.

import { shownText } from "../../shown-text.ts";
import { Receiver } from "../receiver.ts";
import { errorCodeText, Http2Error } from "../wire/error.ts";
import * as ErrorCode from "../wire/error-code.ts";
import { FRAME_HEADER_BYTES } from "../wire/frame.ts";
import type { FrameSink } from "../wire/frame-reader.ts";
import { type HeaderBlock, responseKind } from "../wire/header-block.ts";
import type { ClientEndpoint, Requests } from "./requests.ts";
import { StreamError } from "./stream-error.ts";
import type { ClientStream } from "./stream.ts";

/** How many informational (1xx) responses may precede a response. */
const MAX_INFORMATIONAL = 16;
/** A whole WINDOW_UPDATE frame. */
const WINDOW_UPDATE_BYTES = FRAME_HEADER_BYTES + 4;

/** What a receiver reports to its connection. */
export interface ReceiverEvents {
  /** The server's first SETTINGS arrived. */
  becameReady(): void;
  goaway(lastStreamId: number, code: number, debug: string): void;
}

/**
 * Handles the frames from the server (RFC 9113 sections 5, 6 and 8). A connection error is thrown; a stream error ends
 * that stream alone.
 */
export class ResponseReceiver extends Receiver<ClientStream> implements FrameSink {
  readonly #endpoint: ClientEndpoint;
  readonly #requests: Requests;
  readonly #events: ReceiverEvents;

  constructor(endpoint: ClientEndpoint, requests: Requests, events: ReceiverEvents) {
    super(endpoint, responseKind);
    this.#endpoint = endpoint;
    this.#requests = requests;
    this.#events = events;
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
      this.receive(flowLength);
      if (stream === undefined) this.#afterEnd(id, flowLength, endStream);
      else if (end === start && !endStream) this.onIgnored();
      else this.flood.useful();
    }
    if (stream === undefined) return;
    if (flowLength > 0 && !stream.receiveWindow!.receive(flowLength)) {
      return this.fail(stream, ErrorCode.FLOW_CONTROL_ERROR, "the server exceeded the stream's window");
    }
    if (!stream.headReceived) return this.#malformed(stream, "DATA before HEADERS");
    if (stream.contentLeft >= 0 && (stream.contentLeft -= end - start) < 0) {
      return this.#malformed(stream, "more content than its content-length");
    }
    stream.endReceived = endStream;
    const passedOn = end > start ? stream.onData(chunk, start, end) : true;
    if (endStream) this.#end(stream, undefined);
    return passedOn;
  }

  onHeaders(id: number, bytes: Uint8Array, start: number, end: number, endStream: boolean): void {
    const stream = this.#stream(id);
    // Section 4.3: a block is decoded even if nothing needs it, as it changes the dynamic table.
    const block = this.hpack.decode(bytes, start, end);
    if (stream === undefined) return this.#afterEnd(id, block.bytes, endStream);
    if (block.tooLarge) {
      this.refusedSection(end - start);
      const most = this.#endpoint.limits.maxHeaderListBytes;
      return this.fail(stream, ErrorCode.ENHANCE_YOUR_CALM, `the response's headers are larger than ${most} bytes`);
    }
    this.flood.useful();
    if (block.malformed !== undefined) return this.#malformed(stream, block.malformed);
    if (stream.headReceived) this.#trailers(stream, block, endStream);
    else this.#head(stream, block, endStream);
  }

  /** Section 8.1: any number of informational responses, then a final one. */
  #head(stream: ClientStream, block: HeaderBlock, endStream: boolean): void {
    const { status } = block;
    if (status === 0) return this.#malformed(stream, "the response has no :status");
    if (status < 200) {
      // Section 8.6: there is no 101 in HTTP/2.
      if (endStream || status === 101) {
        return this.#malformed(stream, `invalid informational response ${status}`);
      }
      if (++stream.informational > MAX_INFORMATIONAL) {
        this.fail(stream, ErrorCode.ENHANCE_YOUR_CALM, "too many informational responses");
      }
      return;
    }
    stream.headReceived = true;
    stream.endReceived = endStream;
    stream.contentLeft = block.contentLength;
    stream.onHead(block);
    if (endStream) this.#end(stream, undefined);
  }

  #trailers(stream: ClientStream, block: HeaderBlock, endStream: boolean): void {
    if (!endStream) return this.#malformed(stream, "trailers without END_STREAM");
    stream.endReceived = true;
    if (block.status !== 0) return this.#malformed(stream, "trailers with a :status");
    this.#end(stream, block);
  }

  /** The response is complete. */
  #end(stream: ClientStream, trailers: HeaderBlock | undefined): void {
    if (stream.closed) return;
    if (stream.contentLeft > 0) return this.#malformed(stream, "less content than its content-length");
    this.#requests.finish(stream);
    stream.onEnd(trailers);
  }

  onReset(id: number, code: number): void {
    const stream = this.#stream(id);
    if (stream === undefined) return this.#closed(id, 0, true);
    // Section 8.7: REFUSED_STREAM means that nothing was processed; after a response that can't be true.
    const processed = code === ErrorCode.REFUSED_STREAM && !stream.headReceived ? "refused" : "maybe";
    // Servers on nghttp2, such as Node's, send this when they can't send a header section of their own.
    const hint = code === ErrorCode.FRAME_SIZE_ERROR
      ? ": is a header section of the response larger than it can send?"
      : "";
    const text = `http/2 stream closed with error code ${errorCodeText(code)}${hint}`;
    this.#requests.fail(stream, new StreamError(code, text, processed, "reset"));
  }

  protected settled(first: boolean): void {
    if (first) this.#events.becameReady();
    else this.#requests.startWaiting();
  }

  protected acknowledged(): void {
    this.#requests.acknowledged();
  }

  onGoaway(lastStreamId: number, code: number, debug: Uint8Array): void {
    this.controlled();
    this.#events.goaway(lastStreamId, code, shownText(new TextDecoder().decode(debug.subarray(0, 200))));
  }

  protected updated(id: number): ClientStream | undefined {
    const stream = this.#stream(id);
    if (stream === undefined) this.#closed(id, WINDOW_UPDATE_BYTES, false);
    return stream;
  }

  /** The stream of a frame; undefined if it is closed. Section 5.1: a frame on an idle stream is a connection error. */
  #stream(id: number): ClientStream | undefined {
    const stream = this.#endpoint.streams.get(id);
    if (stream === undefined && (id % 2 === 0 || id >= this.#requests.nextId)) {
      throw new Http2Error(ErrorCode.PROTOCOL_ERROR, `a frame on stream ${id}, which was never opened`);
    }
    return stream;
  }

  /** A frame on a closed stream: sent before this side's reset arrived, or noise. */
  #closed(id: number, bytes: number, last: boolean): void {
    if (!this.#requests.cancelled.expects(id, bytes, last)) this.onIgnored();
  }

  /**
   * DATA or HEADERS on a closed stream. Section 5.1: what was sent before this side's reset arrived is ignored.
   * Sections 5.1 and 6.1: if the server itself had ended the stream, it is a stream error STREAM_CLOSED.
   */
  #afterEnd(id: number, bytes: number, last: boolean): void {
    const expected = this.#requests.cancelled.expects(id, bytes, last);
    // Empty DATA takes nothing of the stream's window and could go on indefinitely.
    if (!expected || (bytes === 0 && !last)) this.onIgnored();
    if (!expected) this.#endpoint.writer.refuse(id, ErrorCode.STREAM_CLOSED);
  }

  /** Section 8.1.1. */
  #malformed(stream: ClientStream, why: string): void {
    this.fail(stream, ErrorCode.PROTOCOL_ERROR, `malformed response: ${why}`);
  }

  protected fail(stream: ClientStream, code: number, why: string): void {
    this.#requests.fail(stream, new StreamError(code, why, "maybe", "stream"));
  }
}
