import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { type Kind, STREAM_MESSAGES } from "../kind.ts";
import { frame, headers, messageFrame, requestBytes, trailers } from "./reply.ts";

const DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8;
const END_STREAM = 0x1, ACK = 0x1;
const PREFACE_BYTES = 24;
const RECEIVE_WINDOW = 2 ** 30;

/** A server stream that is being sent. */
interface Sending {
  readonly id: number;
  window: number;
  left: number;
}

/**
 * A gRPC server's side of a connection that looks at nothing but frame headers: it gives a canned answer on the stream
 * of every request. All that one chunk of input asks for goes out in one write. It keeps the client's flow-control
 * windows, as a slow client is held back by them.
 */
export class Connection {
  #socket: Socket;
  #kind: Kind;
  #message: Buffer;
  #requestBytes: number;
  #rest: Buffer | undefined;
  #prefaceLeft = PREFACE_BYTES;
  #received = 0;
  #window = 65_535;
  #streamWindow = 65_535;
  #mayIndex = true;
  #contentTypeSent = false;
  #statusSent = false;
  #sending = new Map<number, Sending>();
  #bidi = new Map<number, number>();
  /** Unary answers that wait for the connection's window. */
  #waiting: number[] = [];
  #out = Buffer.allocUnsafe(1 << 18);
  #length = 0;

  constructor(socket: Socket, kind: Kind) {
    this.#socket = socket;
    this.#kind = kind;
    this.#message = messageFrame(kind);
    this.#requestBytes = requestBytes(kind);
    socket.on("data", (chunk) => this.#read(chunk as Buffer));
    socket.on("error", () => socket.destroy());
    const settings = Buffer.alloc(6);
    settings.writeUInt16BE(4, 0); // SETTINGS_INITIAL_WINDOW_SIZE
    settings.writeUInt32BE(1 << 20, 2);
    const credit = Buffer.alloc(4);
    credit.writeUInt32BE(RECEIVE_WINDOW, 0);
    socket.write(Buffer.concat([frame(SETTINGS, 0, settings), frame(WINDOW_UPDATE, 0, credit)]));
  }

  #read(chunk: Buffer): void {
    let at = 0;
    if (this.#rest !== undefined) chunk = Buffer.concat([this.#rest, chunk]);
    if (this.#prefaceLeft > 0) {
      at = Math.min(this.#prefaceLeft, chunk.length);
      this.#prefaceLeft -= at;
    }
    for (; at + 9 <= chunk.length;) {
      const length = (chunk[at]! << 16) | (chunk[at + 1]! << 8) | chunk[at + 2]!;
      if (at + 9 + length > chunk.length) break;
      this.#frame(chunk, at, length);
      at += 9 + length;
    }
    this.#rest = at < chunk.length ? Buffer.from(chunk.subarray(at)) : undefined;
    this.#flush();
  }

  #frame(chunk: Buffer, at: number, length: number): void {
    const type = chunk[at + 3]!, flags = chunk[at + 4]!, id = chunk.readUInt32BE(at + 5);
    switch (type) {
      case DATA:
        this.#credit(length);
        if (this.#kind === "bidi-16") this.#turn(id, length);
        if ((flags & END_STREAM) !== 0) this.#answer(id);
        break;
      case HEADERS:
        if ((flags & END_STREAM) !== 0) this.#answer(id);
        break;
      case RST_STREAM:
        this.#sending.delete(id);
        this.#bidi.delete(id);
        break;
      case SETTINGS:
        if ((flags & ACK) === 0) this.#settings(chunk.subarray(at + 9, at + 9 + length));
        break;
      case PING:
        if ((flags & ACK) === 0) {
          const payload = Buffer.from(chunk.subarray(at + 9, at + 9 + length));
          this.#put(frame(PING, ACK, payload), 0);
        }
        break;
      case WINDOW_UPDATE:
        this.#windowUpdate(id, chunk.readUInt32BE(at + 9));
        break;
    }
  }

  #credit(length: number): void {
    this.#received += length;
    if (this.#received < RECEIVE_WINDOW / 2) return;
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(this.#received, 0);
    this.#received = 0;
    this.#put(frame(WINDOW_UPDATE, 0, payload), 0);
  }

  #settings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      const id = payload.readUInt16BE(at), value = payload.readUInt32BE(at + 2);
      if (id === 1) this.#mayIndex = value >= 4_096; // SETTINGS_HEADER_TABLE_SIZE
      if (id === 4) { // SETTINGS_INITIAL_WINDOW_SIZE
        for (const sending of this.#sending.values()) sending.window += value - this.#streamWindow;
        this.#streamWindow = value;
      }
    }
    this.#put(frame(SETTINGS, ACK, Buffer.alloc(0)), 0);
  }

  #windowUpdate(id: number, increment: number): void {
    if (id !== 0) {
      const sending = this.#sending.get(id);
      if (sending === undefined) return;
      sending.window += increment;
      this.#send(sending);
      return;
    }
    this.#window += increment;
    while (this.#waiting.length > 0 && this.#mayPutMessage()) this.#answerUnary(this.#waiting.shift()!);
    for (const sending of this.#sending.values()) this.#send(sending);
  }

  #answer(id: number): void {
    if (this.#kind === "silent") return;
    if (this.#kind.startsWith("unary")) {
      if (this.#waiting.length === 0 && this.#mayPutMessage()) this.#answerUnary(id);
      else this.#waiting.push(id);
    } else if (this.#kind === "bidi-16") {
      this.#bidi.delete(id);
      this.#putTrailers(id);
    } else {
      const sending = { id, window: this.#streamWindow, left: STREAM_MESSAGES };
      this.#putHeaders(id);
      this.#sending.set(id, sending);
      this.#send(sending);
    }
  }

  #answerUnary(id: number): void {
    this.#putHeaders(id);
    this.#putMessage(id);
    this.#putTrailers(id);
  }

  #turn(id: number, length: number): void {
    let bytes = this.#bidi.get(id);
    if (bytes === undefined) {
      this.#putHeaders(id);
      bytes = 0;
    }
    // Each answer is far below any window, and the windows of a bidi call never run low: no account is kept here.
    for (bytes += length; bytes >= this.#requestBytes; bytes -= this.#requestBytes) this.#putMessage(id);
    this.#bidi.set(id, bytes);
  }

  #send(sending: Sending): void {
    const size = this.#message.length - 9;
    while (sending.left > 0 && sending.window >= size && this.#mayPutMessage()) {
      this.#putMessage(sending.id);
      sending.window -= size;
      sending.left--;
    }
    if (sending.left === 0 && this.#sending.delete(sending.id)) this.#putTrailers(sending.id);
  }

  #mayPutMessage(): boolean {
    return this.#window >= this.#message.length - 9;
  }

  #putMessage(id: number): void {
    this.#window -= this.#message.length - 9;
    this.#put(this.#message, id);
  }

  #putHeaders(id: number): void {
    if (!this.#mayIndex) return this.#put(headers.literal, id);
    this.#put(!this.#contentTypeSent ? headers.indexing : this.#statusSent ? headers.second : headers.newest, id);
    this.#contentTypeSent = true;
  }

  #putTrailers(id: number): void {
    if (!this.#mayIndex) return this.#put(trailers.literal, id);
    this.#put(this.#statusSent ? trailers.indexed : trailers.indexing, id);
    this.#statusSent = true;
  }

  #put(bytes: Buffer, id: number): void {
    if (this.#length + bytes.length > this.#out.length) this.#flush();
    this.#out.set(bytes, this.#length);
    if (id !== 0) {
      const out = this.#out, at = this.#length + 5;
      out[at] = id >>> 24;
      out[at + 1] = id >>> 16;
      out[at + 2] = id >>> 8;
      out[at + 3] = id;
    }
    this.#length += bytes.length;
  }

  #flush(): void {
    if (this.#length === 0 || this.#socket.destroyed) return;
    // A copy: the socket may still hold it when the next frames are put.
    this.#socket.write(Buffer.from(this.#out.subarray(0, this.#length)));
    this.#length = 0;
  }
}
