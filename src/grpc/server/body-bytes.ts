type Result = IteratorResult<Uint8Array, undefined>;

const DONE: Result = { done: true, value: undefined };

/**
 * The content of a request, piece by piece. What isn't read fills the stream's window, which holds the client back; what
 * arrives when nobody reads any more is dropped.
 */
export class BodyBytes implements AsyncIterableIterator<Uint8Array, undefined> {
  /** Whether it is, or was, being read. */
  begun = false;
  readonly #stream: { consumed(bytes: number): void };
  #pieces: Uint8Array[] = [];
  #reader: { resolve(result: Result): void; reject(error: unknown): void } | undefined;
  #ended = false;
  #error: unknown;
  #dropped = false;

  constructor(stream: { consumed(bytes: number): void }) {
    this.#stream = stream;
  }

  push(piece: Uint8Array): void {
    if (this.#dropped) return this.#stream.consumed(piece.length);
    this.#pieces.push(piece);
    this.#serve();
  }

  /** The content is complete. */
  end(): void {
    this.#ended = true;
    this.#serve();
  }

  /** The request has ended early, or nobody needs its content any more. */
  drop(error: unknown): void {
    this.#dropped = this.#ended = true;
    this.#error = error;
    for (const piece of this.#pieces) this.#stream.consumed(piece.length);
    this.#pieces = [];
    this.#serve();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    this.begun = true;
    return new Promise((resolve, reject) => {
      // One reader at a time: Connect's pipelines read in turn.
      this.#reader = { resolve, reject };
      this.#serve();
    });
  }

  return(): Promise<Result> {
    this.drop(undefined);
    return Promise.resolve(DONE);
  }

  throw(error: unknown): Promise<Result> {
    this.drop(undefined);
    return Promise.reject(error);
  }

  #serve(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const piece = this.#pieces.shift();
    if (piece === undefined && !this.#ended) return;
    this.#reader = undefined;
    if (piece !== undefined) {
      this.#stream.consumed(piece.length);
      reader.resolve({ done: false, value: piece });
    } else if (this.#error !== undefined) {
      reader.reject(this.#error);
      this.#error = undefined;
    } else {
      reader.resolve(DONE);
    }
  }
}
