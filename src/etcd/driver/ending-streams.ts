/** How many streams may be ending before the oldest is reset. */
const MOST = 16;

/**
 * Streams that are finished except that the server has not ended them yet: they are not reset, because some proxies
 * count resets, and nothing waits for them. A server that never ends them accumulates only a few.
 */
export class EndingStreams {
  readonly #ends = new Set<() => void>();

  /** Waits for the end of a stream from which nothing more is expected. `end` resets it if it doesn't end. */
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
