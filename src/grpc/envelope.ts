import { Code, ConnectError } from "@connectrpc/connect";

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

/** The prefix of a message, in an array that is used again: copy it at once. */
export function messagePrefix(flags: number, length: number): Uint8Array {
  prefix[0] = flags;
  prefix[1] = length >>> 24;
  prefix[2] = length >>> 16;
  prefix[3] = length >>> 8;
  prefix[4] = length;
  return prefix;
}

/** Pieces below this size are copied together while they wait: a view of each would keep its chunk of up to 64 KiB. */
const SMALL_PIECE_BYTES = 4 * 1024;
const BLOCK_BYTES = 16 * 1024;

/** Puts messages together from pieces of any size. Large ones that wait stay as they came, in views of their chunks. */
export class EnvelopeReader {
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];
  /** The block that small pieces are copied to. Its used part is never written again, as views of it are handed out. */
  #block: Uint8Array | undefined;
  #blockUsed = 0;
  #first = 0;
  #bytes = 0;
  /** The message that is being read, once its prefix is taken. */
  #flags = 0;
  #length = -1;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that came and were not taken out. */
  get bytes(): number {
    return this.#bytes;
  }

  /** In how many views of memory they lie. */
  get views(): number {
    return this.#pieces.length - this.#first;
  }

  push(piece: Uint8Array): void {
    // Mostly nothing waits, and what comes is taken out at once.
    if (this.#bytes > 0 && piece.length < SMALL_PIECE_BYTES) this.#pushSmall(piece);
    else this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  #pushSmall(piece: Uint8Array): void {
    let block = this.#block;
    if (block === undefined || block.length - this.#blockUsed < piece.length) {
      block = this.#block = new Uint8Array(BLOCK_BYTES);
      this.#blockUsed = 0;
    }
    const last = this.#pieces[this.#pieces.length - 1];
    const from = this.#blockUsed;
    block.set(piece, from);
    this.#blockUsed += piece.length;
    if (last !== undefined && last.buffer === block.buffer && last.byteOffset + last.length === from) {
      this.#pieces[this.#pieces.length - 1] = block.subarray(last.byteOffset, this.#blockUsed);
    } else {
      this.#pieces.push(block.subarray(from, this.#blockUsed));
    }
  }

  /** Whether a message has begun that isn't complete. */
  get incomplete(): boolean {
    return this.#bytes > 0 || this.#length >= 0;
  }

  /** The next complete message. @throws ConnectError if one is announced that is larger than allowed. */
  next(): Envelope | undefined {
    if (this.#length < 0) {
      if (this.#bytes < PREFIX_BYTES) return undefined;
      const [flags, a, b, c, d] = this.#take(PREFIX_BYTES) as unknown as [number, number, number, number, number];
      this.#flags = flags;
      this.#length = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
      checkLength(this.#length, this.#maxBytes);
    }
    if (this.#bytes < this.#length) return undefined;
    const bytes = this.#take(this.#length);
    this.#length = -1;
    return { flags: this.#flags, bytes };
  }

  /** Drops what came. */
  clear(): void {
    this.#pieces = [];
    this.#block = undefined;
    this.#first = this.#bytes = 0;
    this.#length = -1;
  }

  #take(length: number): Uint8Array {
    this.#bytes -= length;
    const piece = this.#pieces[this.#first];
    if (piece === undefined) return new Uint8Array(0);
    if (piece.length > length) {
      this.#pieces[this.#first] = piece.subarray(length);
      return piece.subarray(0, length);
    }
    if (piece.length === length) {
      this.#drop();
      return piece;
    }
    const whole = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const next = this.#pieces[this.#first]!;
      const part = next.length > length - at ? next.subarray(0, length - at) : next;
      whole.set(part, at);
      at += part.length;
      if (part === next) this.#drop();
      else this.#pieces[this.#first] = next.subarray(part.length);
    }
    return whole;
  }

  #drop(): void {
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
