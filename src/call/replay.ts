/** A call keeps at most this many request messages for another attempt; beyond it there is none. */
const MOST_KEPT = 16;

/**
 * The request messages of one call, which each attempt reads through a view of its own.
 *
 * Connect ends the request iterable of an attempt that fails; were it the caller's own, the next attempt would succeed
 * with no messages. So views pass neither `return` nor `throw` on: the call alone ends the caller's iterable. Messages
 * are kept until the call is committed: when response headers arrived, or more than 16 are held.
 */
export class ReplayBuffer<T> {
  readonly #iterable: AsyncIterable<T>;
  #source: AsyncIterator<T> | undefined;
  /** Messages taken from the source that a new attempt would need; those before `#dropped` are gone. */
  readonly #kept: T[] = [];
  #dropped = 0;
  #pull: Promise<void> | undefined;
  #exhausted = false;
  #committed = false;
  #view: View<T> | undefined;
  /** What the caller's iterable threw: then the call fails with it, and no attempt is made again. */
  failure: { readonly error: unknown } | undefined;

  constructor(source: AsyncIterable<T>) {
    this.#iterable = source;
  }

  /** Whether another attempt could still send every message. */
  get replayable(): boolean {
    return !this.#committed && this.failure === undefined;
  }

  /** The messages from the first on, for a new attempt; the view before it reads no more. */
  view(): AsyncIterable<T> {
    this.#view?.close();
    const view = this.#view = new View(this);
    return { [Symbol.asyncIterator]: () => view };
  }

  /** No attempt will follow: messages are not kept any longer than until they are read. */
  commit(): void {
    this.#committed = true;
    this.#trim();
  }

  /** The call is over: ends the caller's iterable if it has not ended by itself. */
  end(): void {
    this.#view?.close();
    this.commit();
    if (this.#exhausted) return;
    this.#exhausted = true;
    // A source that was never started has nothing to end; a generator that is waiting settles this when it wakes.
    try {
      Promise.resolve(this.#source?.return?.()).catch(() => {});
    } catch {
      // What a caller's iterable throws when it is ended concerns nobody any more.
    }
  }

  /** The message at a place of the sequence, a promise of one more being there, or nothing at the end. */
  read(index: number): { readonly message: T } | Promise<void> | undefined {
    if (index < this.#dropped + this.#kept.length) {
      const message = this.#kept[index - this.#dropped]!;
      if (this.#committed) this.#trim(index + 1);
      return { message };
    }
    if (this.failure !== undefined) throw this.failure.error;
    if (this.#exhausted) return undefined;
    return this.#pull ??= this.#next().finally(() => this.#pull = undefined);
  }

  async #next(): Promise<void> {
    let result: IteratorResult<T>;
    try {
      this.#source ??= this.#iterable[Symbol.asyncIterator]();
      result = await this.#source.next();
    } catch (error) {
      this.failure = { error };
      this.#exhausted = true;
      return;
    }
    if (result.done === true) {
      this.#exhausted = true;
      return;
    }
    this.#kept.push(result.value);
    if (this.#kept.length > MOST_KEPT) this.#committed = true;
  }

  #trim(read = this.#view?.index ?? 0): void {
    const count = Math.min(read - this.#dropped, this.#kept.length);
    if (count <= 0) return;
    this.#kept.splice(0, count);
    this.#dropped += count;
  }
}

/** An attempt's own reading of the sequence. */
class View<T> implements AsyncIterator<T> {
  readonly #buffer: ReplayBuffer<T>;
  #closed = false;
  index = 0;

  constructor(buffer: ReplayBuffer<T>) {
    this.#buffer = buffer;
  }

  async next(): Promise<IteratorResult<T>> {
    while (!this.#closed) {
      const found = this.#buffer.read(this.index);
      if (found === undefined) break;
      if ("message" in found) {
        this.index++;
        return { done: false, value: found.message };
      }
      await found;
    }
    return { done: true, value: undefined };
  }

  return(): Promise<IteratorResult<T>> {
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Resolves like `return`: whoever ends a failed attempt this way does not look at the answer. */
  throw(): Promise<IteratorResult<T>> {
    return this.return();
  }

  close(): void {
    this.#closed = true;
  }
}
