import type { ClientStream } from "./client/stream.ts";

/**
 * Streams in the order in which they came. The links are the streams' own: a stream is in one queue at most, and adding,
 * taking out and finding the first cost the same however many there are. (A `Set` whose first element is taken out again
 * and again walks over the places of those that were there before it.)
 */
export class StreamQueue implements Iterable<ClientStream> {
  #first: ClientStream | undefined = undefined;
  #last: ClientStream | undefined = undefined;
  #size = 0;

  get first(): ClientStream | undefined {
    return this.#first;
  }
  get size(): number {
    return this.#size;
  }

  /** Adds a stream behind all others, unless it is in the queue. */
  add(stream: ClientStream): void {
    if (stream.queue === this) return;
    stream.queue = this;
    stream.before = this.#last;
    if (this.#last === undefined) this.#first = stream;
    else this.#last.after = stream;
    this.#last = stream;
    this.#size++;
  }

  /** Takes a stream out, if it is in the queue. */
  delete(stream: ClientStream): void {
    if (stream.queue !== this) return;
    const { before, after } = stream;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    stream.queue = stream.before = stream.after = undefined;
    this.#size--;
  }

  /** Those that are in it now, first to last. */
  *[Symbol.iterator](): Generator<ClientStream> {
    for (let stream = this.#first; stream !== undefined; stream = stream.after) yield stream;
  }
}
