import { Code, ConnectError } from "@connectrpc/connect";
import { copy, readUint32, writeUint32 } from "../http2/wire/bytes.ts";

/** gRPC's Length-Prefixed-Message: a flag byte and 32 bits of length, then the message. */
export const PREFIX_BYTES = 5;
/** The flag of a compressed message. */
export const COMPRESSED = 1;

/** One length-prefixed message. */
export interface Envelope {
  readonly flags: number;
  readonly bytes: Uint8Array;
}

const prefix = new Uint8Array(PREFIX_BYTES);

/** The prefix of a message, in an array that is reused: copy it immediately. */
export function messagePrefix(flags: number, length: number): Uint8Array {
  writePrefix(prefix, flags, length);
  return prefix;
}

/** Writes the prefix of a message at the start of an array. */
export function writePrefix(into: Uint8Array, flags: number, length: number): void {
  into[0] = flags;
  writeUint32(into, 1, length);
}

/** Waiting pieces below this size are copied together: a view of each would retain its chunk of up to 64 KiB. */
const SMALL_PIECE_BYTES = 4 * 1024;
/** The first block is small: of thousands of unfinished requests, each may hold one. */
const FIRST_BLOCK_BYTES = SMALL_PIECE_BYTES, BLOCK_BYTES = 16 * 1024;
/** How much more memory than bytes waiting pieces may retain, beyond the newest chunk, before they are copied. */
const MOST_WASTED_BYTES = 64 * 1024;

/** A run of bytes that waits. Numbers rather than a view: views cost more than everything else in a small message. */
interface Piece {
  readonly memory: Uint8Array;
  start: number;
  end: number;
  /** Whether it lies in memory that this side allocated, which holds nothing else. */
  readonly own: boolean;
}

/** Assembles messages from pieces of any size. Large pieces that wait stay in the chunks in which they arrived. */
export class EnvelopeReader {
  readonly #maxBytes: number;
  #pieces: Piece[] = [];
  /** The block that small pieces are copied to. Its used part is never overwritten, as views of it are handed out. */
  #block: Uint8Array | undefined;
  #blockUsed = 0;
  #first = 0;
  #bytes = 0;
  /** Bytes of the chunks before the newest that waiting pieces may retain. */
  #kept = 0;
  /** The current message, once its prefix was read. */
  #flags = 0;
  #length = -1;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes received and not taken yet. */
  get bytes(): number {
    return this.#bytes;
  }

  push(memory: Uint8Array, start = 0, end: number = memory.length): void {
    // Usually nothing waits, and what arrives is taken immediately.
    if (this.#bytes === 0) this.#kept = 0;
    else if (end - start >= SMALL_PIECE_BYTES) this.#newChunk(memory);
    if (this.#bytes > 0 && end - start < SMALL_PIECE_BYTES) this.#pushSmall(memory, start, end);
    else this.#pieces.push({ memory, start, end, own: false });
    this.#bytes += end - start;
  }

  /** A chunk also holds other streams' data: an unread stream must not retain many chunks for a few bytes of each. */
  #newChunk(memory: Uint8Array): void {
    const last = this.#pieces[this.#pieces.length - 1]!;
    if (last.own || last.memory === memory) return;
    this.#kept += last.memory.buffer.byteLength;
    if (this.#kept <= this.#bytes + MOST_WASTED_BYTES) return;
    this.#kept = 0;
    const pieces: Piece[] = [];
    for (const piece of this.#pieces.slice(this.#first)) {
      if (piece.own) pieces.push(piece);
      else {
        const own = piece.memory.slice(piece.start, piece.end);
        pieces.push({ memory: own, start: 0, end: own.length, own: true });
      }
    }
    this.#pieces = pieces;
    this.#first = 0;
  }

  #pushSmall(memory: Uint8Array, start: number, end: number): void {
    let block = this.#block;
    if (block === undefined || block.length - this.#blockUsed < end - start) {
      block = this.#block = new Uint8Array(block === undefined ? FIRST_BLOCK_BYTES : BLOCK_BYTES);
      this.#blockUsed = 0;
    }
    const from = this.#blockUsed;
    copy(memory, start, end, block, from);
    this.#blockUsed = from + end - start;
    const last = this.#pieces[this.#pieces.length - 1];
    if (last !== undefined && last.memory === block && last.end === from) last.end = this.#blockUsed;
    else this.#pieces.push({ memory: block, start: from, end: this.#blockUsed, own: true });
  }

  /** How many bytes of the current message are missing; 0 while its length isn't known. */
  get missing(): number {
    return this.#length < 0 ? 0 : this.#length - this.#bytes;
  }

  /** Whether a message has begun that isn't complete. */
  get incomplete(): boolean {
    return this.#bytes > 0 || this.#length >= 0;
  }

  /** The next complete message. @throws ConnectError if the announced message is larger than allowed. */
  next(): Envelope | undefined {
    if (this.#length < 0) {
      if (this.#bytes < PREFIX_BYTES) return undefined;
      this.#readPrefix();
      checkLength(this.#length, this.#maxBytes);
    }
    if (this.#bytes < this.#length) return undefined;
    const bytes = this.#take(this.#length);
    this.#length = -1;
    return { flags: this.#flags, bytes };
  }

  /** Drops what has been received. */
  clear(): void {
    this.#pieces = [];
    this.#block = undefined;
    this.#first = this.#bytes = this.#kept = 0;
    this.#length = -1;
  }

  #readPrefix(): void {
    const piece = this.#pieces[this.#first]!;
    let { memory, start } = piece;
    if (piece.end - start >= PREFIX_BYTES) this.#skip(piece, PREFIX_BYTES);
    else [memory, start] = [this.#take(PREFIX_BYTES), 0];
    this.#flags = memory[start]!;
    this.#length = readUint32(memory, start + 1);
  }

  #take(length: number): Uint8Array {
    const piece = this.#pieces[this.#first];
    if (piece === undefined || length === 0) return new Uint8Array(0);
    const { memory, start } = piece;
    if (piece.end - start >= length) {
      this.#skip(piece, length);
      return memory.subarray(start, start + length);
    }
    const whole = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const next = this.#pieces[this.#first]!;
      const part = Math.min(next.end - next.start, length - at);
      copy(next.memory, next.start, next.start + part, whole, at);
      at += part;
      this.#skip(next, part);
    }
    return whole;
  }

  /** Marks bytes at the start of the first piece as taken. */
  #skip(piece: Piece, bytes: number): void {
    this.#bytes -= bytes;
    piece.start += bytes;
    if (piece.start < piece.end) return;
    this.#first++;
    if (this.#first === this.#pieces.length) {
      this.#pieces.length = this.#first = 0;
    } else if (this.#first > 64 && this.#first * 2 > this.#pieces.length) {
      this.#pieces = this.#pieces.slice(this.#first);
      this.#first = 0;
    }
  }
}

/** @throws ConnectError ResourceExhausted */
export function checkLength(length: number, maxBytes: number): void {
  if (length <= maxBytes) return;
  throw new ConnectError(
    `message size ${length} is larger than configured readMaxBytes ${maxBytes}`,
    Code.ResourceExhausted,
  );
}
