/** What a stream lends a {@link StreamQueue}: the links of the one queue that it is in. */
export interface Queued {
  queue: object | undefined;
  before: Queued | undefined;
  after: Queued | undefined;
}

/**
 * Streams in the order in which they came. The links are the streams' own: a stream is in one queue at most, and adding,
 * taking out and finding the first cost the same however many there are. (A `Set` whose first element is taken out again
 * and again walks over the places of those that were there before it.)
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

  /** Adds a stream behind all others, unless it is in the queue. */
  add(stream: S): void {
    if (stream.queue === this) return;
    stream.queue = this;
    stream.before = this.#last;
    if (this.#last === undefined) this.#first = stream;
    else this.#last.after = stream;
    this.#last = stream;
    this.#size++;
  }

  /** Takes a stream out, if it is in the queue. */
  delete(stream: S): void {
    if (stream.queue !== this) return;
    // The neighbours are in this queue, too.
    const before = stream.before as S | undefined, after = stream.after as S | undefined;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    stream.queue = stream.before = stream.after = undefined;
    this.#size--;
  }

  /** Those that are in it now, first to last. */
  *[Symbol.iterator](): Generator<S> {
    for (let stream = this.#first; stream !== undefined; stream = stream.after as S | undefined) yield stream;
  }
}
