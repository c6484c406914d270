/** How many cancelled streams are remembered: as many as a client may have in flight and give up at once. */
const MAX_CANCELLED = 10_000;
/** What the headers and trailers of a stream may take, as {@link CancelledStreams} counts. */
const CANCELLED_FRAMES_BYTES = 64 * 1024;

/**
 * The streams that this side reset lately. Until the server hears of it, it goes on sending (RFC 9113 section 5.1,
 * "closed"): as much as the stream's window still allows is honest, and what is more is noise.
 */
export class CancelledStreams {
  /** By id: how many bytes may still come. */
  readonly #bytesLeft = new Map<number, number>();
  /** The ids as they came, around and around: the oldest is forgotten first. */
  readonly #ids: number[] = [];
  #next = 0;

  add(id: number, windowLeft: number): void {
    this.#bytesLeft.set(id, windowLeft + CANCELLED_FRAMES_BYTES);
    if (this.#ids.length === MAX_CANCELLED) this.#bytesLeft.delete(this.#ids[this.#next]!);
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % MAX_CANCELLED;
  }

  /** Whether a frame of so many bytes may still be on its way on a closed stream. `last`: it is the stream's last. */
  expects(id: number, bytes: number, last: boolean): boolean {
    const left = this.#bytesLeft.get(id);
    if (left === undefined) return false;
    if (last || left <= bytes) this.#bytesLeft.delete(id);
    else this.#bytesLeft.set(id, left - bytes);
    return left >= bytes;
  }
}
