/** The request side of a stream: messages are pushed while the stream lives, and read by its transport. */
export class MessageQueue<T> implements AsyncIterable<T> {
  readonly #messages: T[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  /** Does nothing once the queue has ended. */
  push(message: T): void {
    if (this.#ended) return;
    this.#messages.push(message);
    this.#wake?.();
  }

  /** No more messages: the reader gets what is queued, then the end. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) yield message;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
