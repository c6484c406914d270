/** How many streams may wait for their end before the oldest is reset. */
const MOST = 16;

/**
 * Streams that have said and heard all, and wait for the server to end them: they are neither reset, as some proxies count
 * resets, nor waited for. A server that does not end them gathers no more than a few.
 */
export class EndingStreams {
  readonly #ends = new Set<() => void>();

  /** Waits for the end of a stream, of which nothing more is expected. `end` resets it if it goes on. */
  add(rest: AsyncIterator<unknown>, end: () => void): void {
    const [oldest] = this.#ends;
    if (oldest !== undefined && this.#ends.size === MOST) this.#end(oldest);
    this.#ends.add(end);
    const over = () => this.#end(end);
    rest.next().then(over, over);
  }

  #end(end: () => void): void {
    if (this.#ends.delete(end)) end();
  }
}
