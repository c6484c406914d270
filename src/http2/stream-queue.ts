/** The fields of a stream that {@link StreamQueue} uses: the links of the one queue it is in. */
export interface Queued {
  queue: object | undefined;
  before: Queued | undefined;
  after: Queued | undefined;
}

/**
 * Streams in order of arrival, as a linked list through the streams themselves: a stream is in one queue at most, and
 * adding, removing and finding the first take constant time. (Repeatedly removing the first element of a `Set` walks
 * over the slots of those removed before it.)
 */
export class StreamQueue<S extends Queued> implements Iterable<S> {
  #first: S | undefined = undefined;
  #last: S | undefined = undefined;
  #size = 0;

  get first(): S | undefined {
    return this.#first;
  }
  get size(): number {
    return this.#size;
  }

  /** Appends a stream, unless it is already in the queue. */
  add(stream: S): void {
    if (stream.queue === this) return;
    stream.queue = this;
    stream.before = this.#last;
    if (this.#last === undefined) this.#first = stream;
    else this.#last.after = stream;
    this.#last = stream;
    this.#size++;
  }

  /** Removes a stream, if it is in the queue. */
  delete(stream: S): void {
    if (stream.queue !== this) return;
    // The neighbours are in this queue too.
    const before = stream.before as S | undefined, after = stream.after as S | undefined;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    stream.queue = stream.before = stream.after = undefined;
    this.#size--;
  }

  /** The queued streams, first to last. */
  *[Symbol.iterator](): Generator<S> {
    for (let stream = this.#first; stream !== undefined; stream = stream.after as S | undefined) yield stream;
  }
}
