// Remembering the streams that this side reset, whose frames may still arrive.

/** How many cancelled streams are remembered: as many as a client may have in flight and cancel at the same time. */
const MAX_CANCELLED = 10_000;
/** What a stream's headers and trailers may take, in bytes as {@link CancelledStreams} counts them. */
const CANCELLED_FRAMES_BYTES = 64 * 1024;

/**
 * The streams that this side reset recently. Until the server learns of the reset it keeps sending (RFC 9113 section
 * 5.1, "closed"): what the stream's remaining window allows is legitimate, and anything beyond is noise.
 */
export class CancelledStreams {
  /** By id, how many bytes may still arrive. */
  readonly #bytesLeft = new Map<number, number>();
  /** A ring buffer of the ids: the oldest is forgotten first. */
  readonly #ids: number[] = [];
  #next = 0;

  add(id: number, windowLeft: number): void {
    this.#bytesLeft.set(id, windowLeft + CANCELLED_FRAMES_BYTES);
    if (this.#ids.length === MAX_CANCELLED) this.#bytesLeft.delete(this.#ids[this.#next]!);
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % MAX_CANCELLED;
  }

  /**
   * Whether a frame of this size on a closed stream may have been sent before the reset arrived. `last`: it ends the
   * stream.
   */
  expects(id: number, bytes: number, last: boolean): boolean {
    const left = this.#bytesLeft.get(id);
    if (left === undefined) return false;
    if (last || left <= bytes) this.#bytesLeft.delete(id);
    else this.#bytesLeft.set(id, left - bytes);
    return left >= bytes;
  }
}
