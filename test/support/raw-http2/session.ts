import type { Socket } from "node:net";
import {
  CLIENT_PREFACE,
  concat,
  decodeFrame,
  encodeFrame,
  ErrorCode,
  Flag,
  FrameType,
  type RawFrame,
  uint32,
} from "./frame.ts";
import { type Field, headerBlock } from "./header-block.ts";
import { ClientLeft } from "./client-left.ts";

/** What a response is made of; see {@link RawSession.respond}. */
export interface Response {
  headers?: readonly Field[];
  /** Messages, each put into a gRPC envelope. */
  messages?: readonly Uint8Array[];
  trailers?: readonly Field[];
}

/** The header fields that every gRPC response begins with. */
export const OK_HEADERS: readonly Field[] = [[":status", "200"], ["content-type", "application/grpc+proto"]];
/** The trailers of a call that went well. */
export const OK_TRAILERS: readonly Field[] = [["grpc-status", "0"]];

/**
 * One connection of a scripted server. It says nothing by itself except what {@link answerControlFrames} covers, and it
 * checks nothing: every frame may be sent at any time, also those that no server may send.
 */
export class RawSession {
  readonly socket: Socket;
  /** Every frame that came, oldest first. */
  readonly received: RawFrame[] = [];
  /** Acknowledge the client's SETTINGS and PING frames. Set to false to leave them unanswered. */
  answerControlFrames = true;
  /** The peer, which mostly is a client, has ended its side or the connection is gone. */
  clientLeft = false;
  #inbox: RawFrame[] = [];
  #buffer: Uint8Array = new Uint8Array(0);
  #prefaceSeen: boolean;
  #waiting: (() => void)[] = [];

  /** `preface`: whether the peer is a client, which says {@link CLIENT_PREFACE} first. Default: true. */
  constructor(socket: Socket, { preface = true }: { preface?: boolean } = {}) {
    this.socket = socket;
    this.#prefaceSeen = !preface;
    socket.on("data", (chunk: Uint8Array) => this.#read(chunk));
    const left = () => {
      this.clientLeft = true;
      this.#wake();
    };
    socket.on("end", left);
    socket.on("close", left);
    // A client that goes away while the scenario writes is no failure of the scenario.
    socket.on("error", left);
  }

  #read(chunk: Uint8Array): void {
    this.#buffer = concat(this.#buffer, chunk);
    if (!this.#prefaceSeen) {
      if (this.#buffer.length < CLIENT_PREFACE.length) return;
      this.#prefaceSeen = true;
      this.#buffer = this.#buffer.subarray(CLIENT_PREFACE.length);
    }
    for (let frame; (frame = decodeFrame(this.#buffer)) !== undefined;) {
      this.#buffer = this.#buffer.subarray(9 + frame.payload.length);
      this.received.push(frame);
      const ack = (frame.flags & Flag.ack) !== 0;
      if (this.answerControlFrames && frame.type === FrameType.settings && !ack) this.ackSettings();
      else if (this.answerControlFrames && frame.type === FrameType.ping && !ack) this.ping(frame.payload, true);
      this.#inbox.push(frame);
    }
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /**
   * The next frame for which `wanted` holds; those before it are skipped.
   *
   * @throws ClientLeft if the client ends the connection first.
   */
  async read(wanted: (frame: RawFrame) => boolean = () => true): Promise<RawFrame> {
    for (;;) {
      for (let frame; (frame = this.#inbox.shift()) !== undefined;) if (wanted(frame)) return frame;
      if (this.clientLeft) throw new ClientLeft("the client ended the connection");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Resolves when something has come, or the peer has ended the connection; takes nothing away from {@link read}. */
  async news(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when the client has ended the connection. */
  async left(): Promise<void> {
    while (!this.clientLeft) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Sends this side's SETTINGS, as every server does first, and waits for the client's. */
  async handshake(settings: readonly (readonly [id: number, value: number])[] = []): Promise<void> {
    this.settings(settings);
    await this.read((frame) => frame.type === FrameType.settings && (frame.flags & Flag.ack) === 0);
  }

  /** Waits for the next request's HEADERS; gives its stream id. */
  async request(): Promise<number> {
    return (await this.read((frame) => frame.type === FrameType.headers)).streamId;
  }

  /** Waits for the next request and for its end; gives its stream id. */
  async wholeRequest(): Promise<number> {
    const first = await this.read((frame) => frame.type === FrameType.headers);
    if ((first.flags & Flag.endStream) === 0) {
      await this.read((frame) =>
        frame.streamId === first.streamId && (frame.type === FrameType.data || frame.type === FrameType.headers) &&
        (frame.flags & Flag.endStream) !== 0
      );
    }
    return first.streamId;
  }

  /** What the client's SETTINGS say of one setting; undefined if it was not sent. */
  setting(id: number): number | undefined {
    let value: number | undefined;
    for (const { type, payload } of this.received) {
      if (type !== FrameType.settings) continue;
      const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
      for (let at = 0; at + 6 <= payload.length; at += 6) if (view.getUint16(at) === id) value = view.getUint32(at + 2);
    }
    return value;
  }

  /** A whole response: headers, messages, trailers. */
  respond(streamId: number, { headers = OK_HEADERS, messages = [], trailers = OK_TRAILERS }: Response = {}): void {
    this.headers(streamId, headers);
    for (const message of messages) this.data(streamId, envelope(message));
    this.headers(streamId, trailers, { endStream: true });
  }

  /** Any frame; `length` may lie. */
  frame(type: number, flags: number, streamId: number, payload: Uint8Array = new Uint8Array(0), length?: number): void {
    this.raw(encodeFrame(type, flags, streamId, payload, length));
  }

  /** Any bytes. */
  raw(bytes: Uint8Array | string): void {
    if (!this.socket.destroyed && !this.socket.writableEnded) this.socket.write(bytes);
  }

  settings(settings: readonly (readonly [id: number, value: number])[] = []): void {
    const payload = new Uint8Array(settings.length * 6);
    const view = new DataView(payload.buffer);
    settings.forEach(([id, value], i) => {
      view.setUint16(i * 6, id);
      view.setUint32(i * 6 + 2, value);
    });
    this.frame(FrameType.settings, 0, 0, payload);
  }

  ackSettings(): void {
    this.frame(FrameType.settings, Flag.ack, 0);
  }

  /** A HEADERS frame. Fields are encoded as literals; bytes are taken as a header block. */
  headers(
    streamId: number,
    fields: readonly Field[] | Uint8Array,
    { endStream = false, endHeaders = true }: { endStream?: boolean; endHeaders?: boolean } = {},
  ): void {
    const block = fields instanceof Uint8Array ? fields : headerBlock(fields);
    const flags = (endStream ? Flag.endStream : 0) | (endHeaders ? Flag.endHeaders : 0);
    this.frame(FrameType.headers, flags, streamId, block);
  }

  continuation(streamId: number, block: Uint8Array, endHeaders: boolean): void {
    this.frame(FrameType.continuation, endHeaders ? Flag.endHeaders : 0, streamId, block);
  }

  /** A DATA frame of any bytes; `padding` adds that many bytes of padding. */
  data(
    streamId: number,
    bytes: Uint8Array,
    { endStream = false, padding }: { endStream?: boolean; padding?: number } = {},
  ): void {
    const flags = (endStream ? Flag.endStream : 0) | (padding === undefined ? 0 : Flag.padded);
    const payload = padding === undefined ? bytes : concat(new Uint8Array([padding]), bytes, new Uint8Array(padding));
    this.frame(FrameType.data, flags, streamId, payload);
  }

  rst(streamId: number, code: number = ErrorCode.cancel): void {
    this.frame(FrameType.rstStream, 0, streamId, uint32(code));
  }

  goaway(lastStreamId: number, code: number = ErrorCode.noError, debug = ""): void {
    const payload = concat(uint32(lastStreamId), uint32(code), new TextEncoder().encode(debug));
    this.frame(FrameType.goaway, 0, 0, payload);
  }

  ping(payload: Uint8Array = new Uint8Array(8), ack = false): void {
    this.frame(FrameType.ping, ack ? Flag.ack : 0, 0, payload);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.frame(FrameType.windowUpdate, 0, streamId, uint32(increment));
  }

  /** Ends this side (FIN) and leaves the other open. */
  end(): void {
    this.socket.end();
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Ends the connection with a TCP reset. */
  reset(): void {
    this.socket.resetAndDestroy();
  }
}

/** A gRPC message in its envelope: flags, length, message. `length` may lie. */
export function envelope(message: Uint8Array, flags = 0, length: number = message.length): Uint8Array {
  return concat(new Uint8Array([flags]), uint32(length), message);
}
