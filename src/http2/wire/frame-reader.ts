import { readUint24, readUint32 } from "./bytes.ts";
import { Http2Error } from "./error.ts";
import * as ErrorCode from "./error-code.ts";
import { DEFAULT_MAX_FRAME_SIZE, FRAME_HEADER_BYTES, isFrameLength } from "./frame.ts";
import * as Flag from "./frame-flag.ts";
import * as FrameType from "./frame-type.ts";
import { HeaderFragments } from "./header-fragments.ts";

/** Receives what a {@link FrameReader} finds. Offsets are into the chunk or buffer passed along, which only `onData` may keep. */
export interface FrameSink {
  /**
   * A piece of a DATA frame. `flowLength` is the whole frame's length with its padding (section 6.9.1) on the first
   * piece and -1 on later ones; `endStream` is set on the last. Returns true if nothing of the chunk is kept.
   */
  onData(
    streamId: number,
    chunk: Uint8Array,
    start: number,
    end: number,
    flowLength: number,
    endStream: boolean,
  ): boolean | void;
  /** A DATA frame had padding: this many bytes of its `flowLength` are not content. */
  onPadding(streamId: number, bytes: number): void;
  /** A complete header block, from HEADERS and any CONTINUATION. */
  onHeaders(streamId: number, block: Uint8Array, start: number, end: number, endStream: boolean): void;
  onReset(streamId: number, code: number): void;
  onSettings(payload: Uint8Array, start: number, end: number): void;
  onSettingsAck(): void;
  onPing(payload: Uint8Array, start: number): void;
  onPingAck(payload: Uint8Array, start: number): void;
  onGoaway(lastStreamId: number, code: number, debug: Uint8Array): void;
  onWindowUpdate(streamId: number, increment: number): void;
  /** A frame without meaning here: PRIORITY, or one of an unknown type (section 5.5). */
  onIgnored(): void;
}

const NOTHING = new Uint8Array(0);

/**
 * Parses bytes into frames (RFC 9113 sections 4 and 6), however they are split into chunks. DATA is passed on in the
 * pieces in which it arrives, everything else once complete; a frame that lies in one chunk is not copied.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  // A frame header, or a payload other than DATA, that is split across chunks, and how many bytes of it arrived.
  #partial: Uint8Array = NOTHING;
  #partialBytes = 0;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  // The frame being read.
  #inPayload = false;
  #length = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  // For DATA: what is left of it and its padding, and whether its first piece was passed on.
  #dataLeft = 0;
  #padding = -1;
  #dataBegun = false;
  readonly #fragments: HeaderFragments;
  #begun = false;
  #stopped = false;
  #paused = false;
  /** Whether something of the last chunk may be kept. */
  kept = false;
  readonly #peerName: "client" | "server";

  constructor(sink: FrameSink, maxBlockBytes: number, peerName: "client" | "server" = "server") {
    this.#sink = sink;
    this.#peerName = peerName;
    this.#fragments = new HeaderFragments(maxBlockBytes);
  }

  /** Passes nothing on any more, even from within {@link read}. */
  stop(): void {
    this.#stopped = true;
    this.#partial = NOTHING;
    this.#fragments.clear();
  }

  /** Passes no further frame on within this {@link read}, even from within it. */
  pause(): void {
    this.#paused = true;
  }

  /**
   * Reads from `at` on. Returns where it stopped: at the chunk's end, unless it was paused, which the next call ends.
   *
   * @throws Http2Error for a connection error
   */
  read(chunk: Uint8Array, at = 0): number {
    const { length } = chunk;
    this.#paused = this.kept = false;
    while (!this.#stopped) {
      if (!this.#inPayload) {
        if (at >= length || this.#paused) return at;
        if (this.#partialBytes === 0 && length - at >= FRAME_HEADER_BYTES) {
          this.#frameHeader(chunk, at);
          at += FRAME_HEADER_BYTES;
        } else {
          while (this.#partialBytes < FRAME_HEADER_BYTES && at < length) {
            this.#header[this.#partialBytes++] = chunk[at++]!;
          }
          if (this.#partialBytes < FRAME_HEADER_BYTES) return at;
          this.#partialBytes = 0;
          this.#frameHeader(this.#header, 0);
        }
        this.#inPayload = true;
      }
      if (this.#type === FrameType.DATA) {
        if (at >= length && this.#length > 0) return at;
        at = this.#data(chunk, at);
      } else if (this.#partialBytes === 0 && length - at >= this.#length) {
        this.#inPayload = false;
        this.#payload(chunk, at, at + this.#length);
        at += this.#length;
      } else {
        if (at >= length) return at;
        if (this.#partialBytes === 0) this.#partial = new Uint8Array(this.#length);
        const take = Math.min(this.#length - this.#partialBytes, length - at);
        this.#partial.set(chunk.subarray(at, at + take), this.#partialBytes);
        this.#partialBytes += take;
        at += take;
        if (this.#partialBytes < this.#length) return at;
        const payload = this.#partial;
        this.#partial = NOTHING;
        this.#partialBytes = 0;
        this.#inPayload = false;
        this.#payload(payload, 0, payload.length);
      }
    }
    return length;
  }

  #frameHeader(from: Uint8Array, at: number): void {
    const length = readUint24(from, at);
    const type = from[at + 3]!;
    const streamId = readUint32(from, at + 5) & 0x7fff_ffff;
    if (!this.#begun) this.#begin(from, at, type);
    // Section 4.2. This side never announces more than the default.
    if (length > DEFAULT_MAX_FRAME_SIZE) throw frameSize(`a frame of ${length} bytes is larger than allowed`);
    // Section 6.10: nothing may come between the frames of a header block.
    const unfinished = this.#fragments.streamId;
    if (unfinished !== 0 && (type !== FrameType.CONTINUATION || streamId !== unfinished)) {
      throw protocol("another frame inside a header block");
    }
    this.#length = length;
    this.#type = type;
    this.#flags = from[at + 4]!;
    this.#streamId = streamId;
    if (type === FrameType.DATA) {
      if (streamId === 0) throw protocol("DATA on stream 0");
      this.#dataLeft = length;
      this.#padding = (this.#flags & Flag.PADDED) !== 0 ? -1 : 0;
      this.#dataBegun = false;
      if (this.#padding === -1 && length === 0) throw frameSize("padded DATA has no pad length");
    } else {
      if (!isFrameLength(type, this.#flags, length)) throw frameSize(`a frame of type ${type} has ${length} bytes`);
    }
  }

  /** Section 3.4: the first frame of either side is SETTINGS. */
  #begin(from: Uint8Array, at: number, type: number): void {
    if (type === FrameType.SETTINGS && (from[at + 4]! & Flag.ACK) === 0) {
      this.#begun = true;
      return;
    }
    if (this.#peerName === "client") throw protocol("the client's first frame is not SETTINGS");
    const text = String.fromCharCode(...from.subarray(at, at + 5));
    if (text === "HTTP/") throw new Http2Error(ErrorCode.HTTP_1_1_REQUIRED, "the server speaks HTTP/1.1, not HTTP/2");
    throw protocol(
      "the server's first frame is not SETTINGS: is it an HTTP/2 server, and is TLS on at both ends or at neither?",
    );
  }

  /** Section 6.1. */
  #data(chunk: Uint8Array, at: number): number {
    if (this.#padding === -1) {
      this.#padding = chunk[at++]!;
      this.#dataLeft--;
      if (this.#padding > this.#dataLeft) throw protocol("DATA is padded beyond its length");
      if (at >= chunk.length && this.#dataLeft > 0) return at;
    }
    const take = Math.min(this.#dataLeft, chunk.length - at);
    this.#dataLeft -= take;
    const last = this.#dataLeft === 0;
    // If only padding is left after this piece, END_STREAM could be passed on already; it waits for the end of the
    // frame, which keeps the pieces and their order simple.
    const payload = Math.max(0, take - Math.max(0, this.#padding - this.#dataLeft));
    const flowLength = this.#dataBegun ? -1 : this.#length;
    this.#dataBegun = true;
    if (last) this.#inPayload = false;
    const end = last && (this.#flags & Flag.END_STREAM) !== 0;
    if (payload > 0 || end || flowLength >= 0) {
      if (this.#sink.onData(this.#streamId, chunk, at, at + payload, flowLength, end) !== true) this.kept = true;
    }
    if (last && (this.#flags & Flag.PADDED) !== 0) this.#sink.onPadding(this.#streamId, this.#padding + 1);
    return at + take;
  }

  #payload(bytes: Uint8Array, start: number, end: number): void {
    const flags = this.#flags;
    const id = this.#streamId;
    const sink = this.#sink;
    switch (this.#type) {
      case FrameType.HEADERS:
        return this.#headers(bytes, start, end);
      case FrameType.CONTINUATION:
        if (this.#fragments.streamId === 0) throw protocol("CONTINUATION without HEADERS");
        return this.#continuation(bytes, start, end);
      case FrameType.RST_STREAM:
        if (id === 0) throw protocol("RST_STREAM on stream 0");
        return sink.onReset(id, readUint32(bytes, start));
      case FrameType.SETTINGS:
        if (id !== 0) throw protocol("SETTINGS on a stream");
        return (flags & Flag.ACK) !== 0 ? sink.onSettingsAck() : sink.onSettings(bytes, start, end);
      case FrameType.PUSH_PROMISE: // Section 6.6: this side's SETTINGS forbid it, and a client never may.
        throw protocol("PUSH_PROMISE although push is disabled");
      case FrameType.PING:
        if (id !== 0) throw protocol("PING on a stream");
        return (flags & Flag.ACK) !== 0 ? sink.onPingAck(bytes, start) : sink.onPing(bytes, start);
      case FrameType.GOAWAY:
        if (id !== 0) throw protocol("GOAWAY on a stream");
        return sink.onGoaway(
          readUint32(bytes, start) & 0x7fff_ffff,
          readUint32(bytes, start + 4),
          bytes.subarray(start + 8, end),
        );
      case FrameType.WINDOW_UPDATE:
        return sink.onWindowUpdate(id, readUint32(bytes, start) & 0x7fff_ffff);
      case FrameType.PRIORITY:
        if (id === 0) throw protocol("PRIORITY on stream 0");
        this.#checkDependency(bytes, start);
        return sink.onIgnored();
      default:
        return sink.onIgnored();
    }
  }

  /** Section 6.2. */
  #headers(bytes: Uint8Array, start: number, end: number): void {
    if (this.#streamId === 0) throw protocol("HEADERS on stream 0");
    let padding = 0;
    if ((this.#flags & Flag.PADDED) !== 0) padding = bytes[start++]!;
    if ((this.#flags & Flag.PRIORITY) !== 0) {
      this.#checkDependency(bytes, start);
      start += 5;
    }
    if (start + padding > end) throw protocol("HEADERS is padded beyond its length");
    end -= padding;
    const endStream = (this.#flags & Flag.END_STREAM) !== 0;
    if ((this.#flags & Flag.END_HEADERS) !== 0) {
      this.#sink.onHeaders(this.#streamId, bytes, start, end, endStream);
      return;
    }
    this.#fragments.begin(this.#streamId, endStream);
    this.#fragments.add(bytes, start, end);
  }

  /** RFC 7540 section 5.3.1. Priorities mean nothing any more, but a client that sends this one is broken. */
  #checkDependency(bytes: Uint8Array, at: number): void {
    if (this.#peerName === "server" || (readUint32(bytes, at) & 0x7fff_ffff) !== this.#streamId) return;
    throw protocol("a stream that depends on itself");
  }

  /** Section 6.10. */
  #continuation(bytes: Uint8Array, start: number, end: number): void {
    const fragments = this.#fragments;
    fragments.add(bytes, start, end);
    if ((this.#flags & Flag.END_HEADERS) === 0) return;
    const block = fragments.take();
    this.#sink.onHeaders(this.#streamId, block, 0, block.length, fragments.endStream);
  }
}

function protocol(why: string): Http2Error {
  return new Http2Error(ErrorCode.PROTOCOL_ERROR, why);
}

function frameSize(why: string): Http2Error {
  return new Http2Error(ErrorCode.FRAME_SIZE_ERROR, why);
}
