import { copy } from "./bytes.ts";

/** How much of one stream is gathered: a frame of this size has cost enough, and is small for any peer. */
const GATHERED_BYTES = 4 * 1024;
/** A larger piece is sent as it is: copying it twice would cost more than its frame. */
export const LARGEST_GATHERED_BYTES: number = 1024;
/** For how many streams of a connection content is gathered at the same time. */
const MOST_STREAMS = 64;
/** How many free pieces of memory the process keeps: 256 KiB. */
const MOST_FREE = 64;

const free: Uint8Array[] = [];

/** What is gathered for one stream. */
interface Gathered {
  readonly bytes: Uint8Array;
  length: number;
}

/**
 * Small pieces of content of streams that send one after another, until the next flush makes a DATA frame of each
 * stream's: to send and to receive many small frames costs more than all else in them.
 */
export class GatheredContent {
  readonly #streams = new Map<number, Gathered>();
  /** How much it is altogether. */
  bytes = 0;
  /** Where the place that {@link add} returned is. */
  into!: Uint8Array;

  /** Whether there is any. */
  get any(): boolean {
    return this.#streams.size > 0;
  }

  /** The streams. */
  get ids(): Iterable<number> {
    return this.#streams.keys();
  }

  /** Makes room for so many bytes of a stream; returns where in {@link into}, or -1 if there is none. */
  add(streamId: number, length: number): number {
    let gathered = this.#streams.get(streamId);
    if (gathered === undefined) {
      if (this.#streams.size >= MOST_STREAMS) return -1;
      gathered = { bytes: free.pop() ?? new Uint8Array(GATHERED_BYTES), length: 0 };
      this.#streams.set(streamId, gathered);
    }
    const at = gathered.length;
    if (at + length > GATHERED_BYTES) return -1;
    gathered.length += length;
    this.bytes += length;
    this.into = gathered.bytes;
    return at;
  }

  /** How much there is of a stream. */
  of(streamId: number): number {
    return this.#streams.get(streamId)?.length ?? 0;
  }

  /** Moves what there is of a stream. */
  take(streamId: number, into: Uint8Array, at: number): void {
    const { bytes, length } = this.#streams.get(streamId)!;
    copy(bytes, 0, length, into, at);
    this.#streams.delete(streamId);
    this.bytes -= length;
    if (free.length < MOST_FREE) free.push(bytes);
  }
}
