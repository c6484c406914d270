/** How many bytes of one request are kept for another attempt. */
const MOST_BYTES = 64 * 1024;
/** How many bytes all calls of a proxy keep together. */
const MOST_ALTOGETHER = 64 * 1024 * 1024;
/** A piece may keep this many times its size alive: what it arrived with. */
const MOST_WASTE = 16;

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
  #first: Uint8Array | undefined = undefined;
  #others: Uint8Array[] | undefined = undefined;
  #bytes = 0;
  /** Whether all of it is here. */
  whole = true;

  constructor(held: HeldBytes) {
    this.#held = held;
  }

  /**
   * Adds a piece. `sent`: whether everything before it was, so that it can be given up; what was not sent yet must be
   * kept, and is no more than the client's window allows.
   */
  add(chunk: Uint8Array, start: number, end: number, sent: boolean): void {
    if (!this.whole) return;
    const bytes = end - start;
    if (sent && (this.#bytes + bytes > MOST_BYTES || this.#held.bytes + bytes > MOST_ALTOGETHER)) return this.drop();
    const piece = bytes * MOST_WASTE < chunk.length ? chunk.slice(start, end) : chunk.subarray(start, end);
    this.#bytes += bytes;
    this.#held.bytes += bytes;
    if (this.#first === undefined) this.#first = piece;
    else (this.#others ??= []).push(piece);
  }

  /** What is held, in order. */
  pieces(): readonly Uint8Array[] {
    if (this.#first === undefined) return [];
    return this.#others === undefined ? [this.#first] : [this.#first, ...this.#others];
  }

  /** Gives it up: no other attempt can follow. */
  drop(): void {
    this.whole = false;
    this.#held.bytes -= this.#bytes;
    this.#bytes = 0;
    this.#first = this.#others = undefined;
  }
}
