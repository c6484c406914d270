/** How much of one stream is gathered: a frame of this size has cost enough, and is small for any peer. */
const GATHERED_BYTES = 4 * 1024;
/** A larger piece is sent as it is: copying it twice would cost more than its frame. */
const LARGEST_PIECE_BYTES = 1024;
/** For how many streams of a connection content is gathered at the same time. */
const MOST_STREAMS = 64;
/** How many free pieces of memory the process keeps: 256 KiB. */
const MOST_FREE = 64;

const free: Uint8Array[] = [];

/** What is gathered for one stream. */
export interface Gathered {
  readonly bytes: Uint8Array;
  length: number;
}

/**
 * Small pieces of content of streams that send one after another, until the next flush makes a DATA frame of each
 * stream's: to send and to receive many small frames costs more than all else in them.
 */
export class GatheredContent extends Map<number, Gathered> {
  /** Makes room for a piece of a stream's at the end of what is returned; undefined if there is none. */
  add(streamId: number, length: number): Gathered | undefined {
    let gathered = this.get(streamId);
    if (
      length >
        (gathered === undefined ? LARGEST_PIECE_BYTES : Math.min(LARGEST_PIECE_BYTES, GATHERED_BYTES - gathered.length))
    ) return;
    if (gathered === undefined) {
      if (this.size === MOST_STREAMS) return;
      this.set(streamId, gathered = { bytes: free.pop() ?? new Uint8Array(GATHERED_BYTES), length: 0 });
    }
    gathered.length += length;
    return gathered;
  }

  /** Takes what there is of a stream, for a frame: it is copied, and then its memory is used {@link again}. */
  take(streamId: number): Gathered | undefined {
    const gathered = this.get(streamId);
    this.delete(streamId);
    return gathered;
  }

  again({ bytes }: Gathered): void {
    if (free.length < MOST_FREE) free.push(bytes);
  }
}
