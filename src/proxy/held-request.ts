import { copy } from "../http2/wire/bytes.ts";

/** How many bytes of one request are kept for another attempt. */
const MOST_BYTES = 64 * 1024;
/** How many bytes all calls of a proxy keep together. */
const MOST_ALTOGETHER = 64 * 1024 * 1024;
/** A piece may keep this many times its size alive: what it arrived with, or a block. */
const MOST_WASTE = 16;
/** The memory that the beginning of a request is copied to: enough for a message of 4 KiB. */
const BLOCK_BYTES = 8 * 1024;
const LEAST_IN_BLOCK: number = BLOCK_BYTES / MOST_WASTE;
/** How many free blocks are kept: 2 MiB. */
const MOST_FREE = 256;

const free: Uint8Array[] = [];

/** What the calls of a proxy keep of their requests. */
export class HeldBytes {
  bytes = 0;
}

/**
 * What has arrived of a request, for as long as another attempt may follow. A request that is larger than this is sent
 * once.
 */
export class HeldRequest {
  readonly #held: HeldBytes;
  /** What came first, if it isn't small, so that the chunk that it arrived in can be freed. */
  #block: Uint8Array | undefined = undefined;
  #blockBytes = 0;
  #first: Uint8Array | undefined = undefined;
  #others: Uint8Array[] | undefined = undefined;
  #bytes = 0;
  /** Whether an attempt may have kept the block. */
  #lent = false;
  /** Whether all of it is here. */
  whole = true;

  constructor(held: HeldBytes) {
    this.#held = held;
  }

  /**
   * Adds a piece. `sent`: whether everything before it was, so that it can be given up; what was not sent yet must be
   * kept, and is no more than the client's window allows. Returns whether the chunk itself is kept.
   */
  add(chunk: Uint8Array, start: number, end: number, sent: boolean): boolean {
    if (!this.whole) return false;
    const bytes = end - start;
    if (sent && (this.#bytes + bytes > MOST_BYTES || this.#held.bytes + bytes > MOST_ALTOGETHER)) {
      this.drop();
      return false;
    }
    this.#bytes += bytes;
    this.#held.bytes += bytes;
    const inBlock = this.#first === undefined && this.#blockBytes + bytes <= BLOCK_BYTES;
    if (inBlock && (this.#block !== undefined || bytes >= LEAST_IN_BLOCK)) {
      this.#block ??= free.pop() ?? new Uint8Array(BLOCK_BYTES);
      this.#blockBytes = copy(chunk, start, end, this.#block, this.#blockBytes);
      return false;
    }
    const copied = bytes * MOST_WASTE < chunk.length;
    const piece = copied ? chunk.slice(start, end) : chunk.subarray(start, end);
    if (this.#first === undefined) this.#first = piece;
    else (this.#others ??= []).push(piece);
    return !copied;
  }

  /** What is held, in order. An attempt may keep it. */
  pieces(): readonly Uint8Array[] {
    const pieces: Uint8Array[] = [];
    if (this.#block !== undefined) pieces.push(this.#block.subarray(0, this.#blockBytes));
    this.#lent = this.#block !== undefined;
    if (this.#first !== undefined) pieces.push(this.#first);
    if (this.#others !== undefined) pieces.push(...this.#others);
    return pieces;
  }

  /** Gives it up: no other attempt can follow. */
  drop(): void {
    this.whole = false;
    this.#held.bytes -= this.#bytes;
    this.#bytes = 0;
    if (this.#block !== undefined && !this.#lent && free.length < MOST_FREE) free.push(this.#block);
    this.#block = this.#first = this.#others = undefined;
  }
}
