/** Enough for what begins a connection. */
export const FIRST_SLAB_BYTES = 256;
const USUAL_SLAB_BYTES = 4 * 1024;
export const LARGEST_SLAB_BYTES: number = 64 * 1024;

/** Where frames go: the part of a byte stream that the writer needs. */
export interface FrameOutput {
  /** Returns false if enough is queued: wait for `drained`. The bytes don't change until they are taken. */
  write(bytes: Uint8Array): boolean;
  /** How many of the writes so far the system has taken; undefined if what was written may be kept. */
  readonly taken?: number | undefined;
}

/** A slab that is full, of which some waits for the next write. */
export interface FullSlab {
  readonly slab: Uint8Array;
  readonly bytes: Uint8Array;
  /** The stream of the request that its last frames belong to. */
  readonly lastBuffered: number;
}

/** How many free slabs are kept: 2 MiB. */
const MOST_FREE = 32;

/** Free slabs of the largest size, for all connections of the process. */
const free: Uint8Array[] = [];

/**
 * The memory that a connection's frames are written into. Large slabs are used again once the system has taken what was
 * written of them: fresh ones have to be zeroed, and make collectors run.
 */
export class Slabs {
  readonly #output: FrameOutput;
  /** Slabs of which all was written, and which write was the last of each. */
  readonly #used: { readonly slab: Uint8Array; readonly write: number }[] = [];

  constructor(output: FrameOutput) {
    this.#output = output;
  }

  /** The slab that follows `slab`, with room for so many bytes. `writes`: how many there were. */
  next(slab: Uint8Array, bytes: number, writes: number): Uint8Array {
    const least = writes === 0 && slab.length === 0 ? FIRST_SLAB_BYTES : USUAL_SLAB_BYTES;
    const length = Math.max(bytes, Math.min(LARGEST_SLAB_BYTES, Math.max(least, slab.length * 2)));
    const again = length === LARGEST_SLAB_BYTES ? free.pop() : undefined;
    return again ?? new Uint8Array(length);
  }

  /** All of a slab was written, at last by this write. */
  used(slab: Uint8Array, write: number): void {
    if (slab.length !== LARGEST_SLAB_BYTES || this.#output.taken === undefined) return;
    this.#used.push({ slab, write });
    if (this.#used.length > MOST_FREE) this.#used.shift();
  }

  /** Slabs that the system has taken are free. */
  reclaim(): void {
    const { taken = 0 } = this.#output;
    while (this.#used.length > 0 && this.#used[0]!.write <= taken) {
      const { slab } = this.#used.shift()!;
      if (free.length < MOST_FREE) free.push(slab);
    }
  }
}
