import type { Connection } from "./connection.ts";
import { ErrorCode, errorCodeText, Http2Error, StreamError } from "../wire/error.ts";
import { ReceiveWindow } from "../wire/flow.ts";
import { FRAME_HEADER_BYTES, MAX_WINDOW } from "../wire/frame.ts";
import type { FrameSink } from "../wire/frame-reader.ts";
import type { HeaderBlock } from "../wire/header-block.ts";
import { HpackDecoder } from "../wire/hpack-decoder.ts";
import { MAX_INFORMATIONAL, NoiseMeter, RateMeter } from "../limits.ts";
import type { ClientStream } from "./stream.ts";

/** A whole WINDOW_UPDATE frame. */
const WINDOW_UPDATE_BYTES = FRAME_HEADER_BYTES + 4;

/** SETTINGS_HEADER_TABLE_SIZE: this side leaves it at HTTP/2's default. */
const HEADER_TABLE_BYTES = 4_096;

/**
 * What each frame from the server means to the connection and its streams (RFC 9113 sections 5, 6 and 8). What breaks the
 * connection is thrown; what breaks one stream ends that stream.
 */
export class Receiver implements FrameSink {
  readonly #connection: Connection;
  readonly #hpack: HpackDecoder;
  readonly #window: ReceiveWindow;
  readonly #noise: NoiseMeter;
  readonly #control: RateMeter;
  /** What the connection's window grows by when its WINDOW_UPDATE has left, and how many writes there were before. */
  #granted = 0;
  #writesBefore = 0;
  #settled = false;
  /** No stream's {@link ClientStream.sendCredit} is larger. */
  #mostSendCredit = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#hpack = new HpackDecoder(HEADER_TABLE_BYTES, connection.limits.maxHeaderListBytes);
    this.#window = new ReceiveWindow(connection.limits.connectionWindowBytes);
    this.#control = new RateMeter(() => connection.clock.now());
    this.#noise = new NoiseMeter(() => connection.clock.now(), () => connection.writer.dataFrames);
  }

  onData(id: number, chunk: Uint8Array, start: number, end: number, flowLength: number, endStream: boolean): void {
    const stream = this.#stream(id);
    if (flowLength >= 0) {
      this.#receive(flowLength);
      if (stream === undefined) this.#afterEnd(id, flowLength, endStream);
      else if (end === start && !endStream) this.#ignored();
      else this.#noise.useful();
    }
    if (stream === undefined) return;
    if (flowLength > 0 && !stream.receiveWindow!.receive(flowLength)) {
      return this.#fail(stream, ErrorCode.FLOW_CONTROL_ERROR, "the server sent more than the stream's window");
    }
    if (!stream.headReceived) return this.#malformed(stream, "DATA comes before HEADERS");
    if (stream.contentLeft >= 0 && (stream.contentLeft -= end - start) < 0) {
      return this.#malformed(stream, "there is more content than content-length says");
    }
    stream.endReceived = endStream;
    if (end > start) stream.onData(chunk, start, end);
    if (endStream) this.#end(stream, undefined);
  }

  /**
   * Section 6.9: the connection's window counts what is parsed, not what is read, so that a stream that nobody reads
   * doesn't hold up the others; its own window bounds it. Frames of closed streams count too.
   */
  #receive(flowLength: number): void {
    const { lender, writer } = this.#connection;
    lender.received(flowLength);
    if (this.#granted > 0 && writer.writes !== this.#writesBefore) {
      this.#window.grow(this.#granted);
      this.#granted = 0;
    }
    if (!this.#window.receive(flowLength)) {
      throw new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "the server sent more than the connection's window");
    }
    const increment = this.#window.take(flowLength);
    if (increment === 0) return;
    this.#granted += increment;
    this.#writesBefore = writer.writes;
    writer.windowUpdate(0, increment);
  }

  onPadding(id: number, bytes: number): void {
    const stream = this.#connection.requests.active.get(id);
    if (stream !== undefined) this.#connection.lender.consumed(stream, bytes);
  }

  onHeaders(id: number, bytes: Uint8Array, start: number, end: number, endStream: boolean): void {
    const stream = this.#stream(id);
    // Section 4.3: a block is decoded even when nobody wants it, as it changes the table.
    const block = this.#hpack.decode(bytes, start, end);
    if (stream === undefined) return this.#afterEnd(id, block.bytes, endStream);
    this.#noise.useful();
    if (block.tooLarge) {
      const most = this.#connection.limits.maxHeaderListBytes;
      return this.#fail(stream, ErrorCode.ENHANCE_YOUR_CALM, `the response's headers are larger than ${most} bytes`);
    }
    if (block.malformed !== undefined) return this.#malformed(stream, block.malformed);
    if (stream.headReceived) this.#trailers(stream, block, endStream);
    else this.#head(stream, block, endStream);
  }

  /** Section 8.1: any number of informational responses, then one that is final. */
  #head(stream: ClientStream, block: HeaderBlock, endStream: boolean): void {
    const { status } = block;
    if (status === 0) return this.#malformed(stream, "the response has no :status");
    if (status < 200) {
      // Section 8.6: there is no 101 in HTTP/2.
      if (endStream || status === 101) {
        return this.#malformed(stream, `an informational response ${status} is no response`);
      }
      if (++stream.informational > MAX_INFORMATIONAL) {
        this.#fail(stream, ErrorCode.ENHANCE_YOUR_CALM, "there are too many informational responses");
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
    if (!endStream) return this.#malformed(stream, "there are HEADERS after the response's that don't end it");
    stream.endReceived = true;
    if (block.status !== 0) return this.#malformed(stream, "the trailers have a :status");
    this.#end(stream, block);
  }

  /** The response is complete. */
  #end(stream: ClientStream, trailers: HeaderBlock | undefined): void {
    if (stream.closed) return;
    if (stream.contentLeft > 0) return this.#malformed(stream, "there is less content than content-length says");
    this.#connection.requests.finish(stream);
    stream.onEnd(trailers);
  }

  onReset(id: number, code: number): void {
    const stream = this.#stream(id);
    if (stream === undefined) return this.#closed(id, 0, true);
    // Section 8.7: REFUSED_STREAM says that nothing was done; after a response that can't be true.
    const processed = code === ErrorCode.REFUSED_STREAM && !stream.headReceived ? "refused" : "maybe";
    // What servers on nghttp2, such as Node's, say when they can't send a header section of their own.
    const hint = code === ErrorCode.FRAME_SIZE_ERROR
      ? ": is a header section of the response larger than it can send?"
      : "";
    const text = `http/2 stream closed with error code ${errorCodeText(code)}${hint}`;
    this.#connection.requests.fail(stream, new StreamError(code, text, processed, "reset"));
  }

  onSettings(payload: Uint8Array, start: number, end: number): void {
    const { peer, encoder, writer, requests } = this.#connection;
    if (this.#settled) this.#controlled();
    peer.apply(payload, start, end);
    encoder.setMaxTableBytes(peer.leastHeaderTableSize);
    encoder.setMaxTableBytes(peer.headerTableSize);
    this.#checkSendWindows();
    writer.settingsAck();
    if (this.#settled) return requests.startWaiting();
    this.#settled = true;
    this.#connection.becameReady();
  }

  /**
   * Section 6.9.2: SETTINGS change all windows in use, and none may become larger than 2³¹−1. The streams are looked at only
   * where the bound of all their credits can't tell; that takes a stream which had more credit than any has now.
   */
  #checkSendWindows(): void {
    const { peer: { initialWindowSize }, requests } = this.#connection;
    if (initialWindowSize + this.#mostSendCredit <= MAX_WINDOW) return;
    this.#mostSendCredit = requests.active.mostSendCredit();
    if (initialWindowSize + this.#mostSendCredit <= MAX_WINDOW) return;
    throw new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS made a stream's window overflow");
  }

  onSettingsAck(): void {
    this.#ignored();
    this.#connection.requests.acknowledged();
  }

  onPing(payload: Uint8Array, start: number, ack: boolean): void {
    if (ack && this.#connection.lender.pinged(payload, start)) return;
    this.#ignored();
    if (!ack) this.#connection.writer.ping(payload, start, true);
  }

  onGoaway(lastStreamId: number, code: number, debug: Uint8Array): void {
    this.#controlled();
    this.#connection.goaway(lastStreamId, code, new TextDecoder().decode(debug.subarray(0, 200)));
  }

  onWindowUpdate(id: number, increment: number): void {
    const { sender } = this.#connection;
    if (id === 0) {
      if (increment === 0) throw new Http2Error(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0");
      sender.window.grow(increment);
    } else {
      const stream = this.#stream(id);
      if (stream === undefined) return this.#closed(id, WINDOW_UPDATE_BYTES, false);
      if (increment === 0) return this.#fail(stream, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0");
      stream.sendCredit += increment;
      if (stream.sendWindow > MAX_WINDOW) {
        return this.#fail(stream, ErrorCode.FLOW_CONTROL_ERROR, "the stream's window overflowed");
      }
      this.#mostSendCredit = Math.max(this.#mostSendCredit, stream.sendCredit);
      sender.enqueue(stream);
    }
    sender.pump();
  }

  onIgnored(): void {
    this.#ignored();
  }

  /** The stream of a frame; undefined if it is closed. Section 5.1: a frame on an idle stream breaks the connection. */
  #stream(id: number): ClientStream | undefined {
    const stream = this.#connection.requests.active.get(id);
    if (stream === undefined && (id % 2 === 0 || id >= this.#connection.requests.nextId)) {
      throw new Http2Error(ErrorCode.PROTOCOL_ERROR, `a frame on stream ${id}, which was never opened`);
    }
    return stream;
  }

  /** A frame of a closed stream: on its way when this side reset it, or noise. */
  #closed(id: number, bytes: number, last: boolean): void {
    if (!this.#connection.requests.cancelled.expects(id, bytes, last)) this.#ignored();
  }

  /**
   * DATA or HEADERS of a closed stream. Section 5.1: what was on its way when this side reset the stream is passed over.
   * Sections 5.1 and 6.1: where the server had ended it itself, that is a stream error STREAM_CLOSED.
   */
  #afterEnd(id: number, bytes: number, last: boolean): void {
    const { requests, writer } = this.#connection;
    const expected = requests.cancelled.expects(id, bytes, last);
    // Without content DATA takes nothing of the stream's window, and could go on for ever.
    if (!expected || (bytes === 0 && !last)) this.#ignored();
    if (!expected) writer.streamClosed(id);
  }

  /** A frame that changes the whole connection: no call makes more of them honest. */
  #controlled(): void {
    this.#ignored();
    if (this.#control.count()) return;
    throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "the server floods the connection with SETTINGS and GOAWAY");
  }

  #ignored(): void {
    if (this.#noise.noise()) return;
    throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "the server floods the connection with frames of no use");
  }

  /** Section 8.1.1. */
  #malformed(stream: ClientStream, why: string): void {
    this.#fail(stream, ErrorCode.PROTOCOL_ERROR, `malformed response: ${why}`);
  }

  #fail(stream: ClientStream, code: number, why: string): void {
    this.#connection.requests.fail(stream, new StreamError(code, why, "maybe", "stream"));
  }
}
