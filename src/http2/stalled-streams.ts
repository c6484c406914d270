/** The fields of a stream that {@link StalledStreams} uses: its index there, or -1, and its sort key. */
export interface Stalled {
  stalledAt: number;
  readonly sendCredit: number;
}

/**
 * Streams whose content waits for a window of their own: a heap with the largest {@link Stalled.sendCredit} on top.
 * SETTINGS_INITIAL_WINDOW_SIZE moves the windows of all streams by the same amount (RFC 9113 section 6.9.2), so it
 * never changes their order, and those that may send again are found from the top without looking at the others.
 */
export class StalledStreams<S extends Stalled> {
  readonly #heap: S[] = [];

  /** The stream with the largest window. */
  get first(): S | undefined {
    return this.#heap[0];
  }

  /** Adds a stream, or moves one whose credit grew. */
  add(stream: S): void {
    if (stream.stalledAt < 0) {
      stream.stalledAt = this.#heap.length;
      this.#heap.push(stream);
    }
    this.#rise(stream, stream.stalledAt);
  }

  /** Removes a stream, if it is there. */
  delete(stream: S): void {
    const at = stream.stalledAt;
    if (at < 0) return;
    stream.stalledAt = -1;
    const last = this.#heap.pop()!;
    if (last === stream) return;
    this.#rise(last, at);
    this.#sink(last, last.stalledAt);
  }

  #rise(stream: S, at: number): void {
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#heap[above]!;
      if (parent.sendCredit >= stream.sendCredit) break;
      this.#put(parent, at);
      at = above;
    }
    this.#put(stream, at);
  }

  #sink(stream: S, at: number): void {
    const heap = this.#heap;
    for (let below = 2 * at + 1; below < heap.length; below = 2 * at + 1) {
      const right = heap[below + 1];
      if (right !== undefined && right.sendCredit > heap[below]!.sendCredit) below++;
      const child = heap[below]!;
      if (child.sendCredit <= stream.sendCredit) break;
      this.#put(child, at);
      at = below;
    }
    this.#put(stream, at);
  }

  #put(stream: S, at: number): void {
    this.#heap[at] = stream;
    stream.stalledAt = at;
  }
}
