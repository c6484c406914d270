/** The most request messages a call keeps for another attempt; beyond that, there is no other attempt. */
const MOST_KEPT = 16;

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Buffers the request messages of one call; each attempt reads them through its own view.
 *
 * Connect ends the request iterable of a failed attempt; if that were the caller's own, the next attempt would succeed
 * with no messages. So views forward neither `return` nor `throw`: only the call ends the caller's iterable. Messages
 * are kept until the call is committed: when response headers arrive, or more than 16 messages are kept.
 */
export class ReplayBuffer<T> {
  readonly #iterable: AsyncIterable<T>;
  #source: AsyncIterator<T> | undefined;
  /** Messages read from the source: those that a new attempt would need; once committed, those that are yet to be sent. */
  readonly #kept: T[] = [];
  /** The pending read of the next message into `#kept`. */
  #pull: Promise<void> | undefined;
  #exhausted = false;
  #committed = false;
  /** The newest; once committed, the only one. */
  #view: View<T> | undefined;
  /** What the caller's iterable threw: the call fails with it and makes no further attempt. */
  #failure: { readonly error: unknown } | undefined;

  constructor(source: AsyncIterable<T>) {
    this.#iterable = source;
  }

  /** Whether another attempt could still send every message. */
  get replayable(): boolean {
    return !this.#committed && this.#failure === undefined;
  }

  /** All messages from the first on, for a new attempt; one that has failed has to close its own. */
  view(): View<T> {
    return this.#view = new View(this);
  }

  /** No attempt will follow, and the others are over: messages are dropped once `view` has read them. */
  commit(view: View<T> | undefined = this.#view): void {
    this.#committed = true;
    if (view !== this.#view) this.#view?.close();
    this.#view = view;
    if (view === undefined) return;
    this.#kept.splice(0, view.index);
    view.index = 0;
  }

  /** The call is over: ends the caller's iterable if it has not ended by itself. */
  end(): void {
    this.#view?.close();
    this.commit();
    if (this.#exhausted) return;
    this.#exhausted = true;
    // A source that was never started has nothing to end; a generator that is suspended settles this when it resumes.
    try {
      Promise.resolve(this.#source?.return?.()).catch(() => {});
    } catch {
      // The call is over: an error that the caller's iterable throws when it is ended is irrelevant.
    }
  }

  /** The message that `view` reads next. */
  next(view: View<T>): Promise<IteratorResult<T>> {
    if (view.closed) return Promise.resolve(DONE);
    // Not as soon as they are kept: an attempt that has failed meanwhile read them in vain, and the next needs them all.
    if (!this.#committed && this.#kept.length > MOST_KEPT) {
      this.commit(this.#view?.closed === false ? this.#view : view);
    }
    if (this.#committed && view !== this.#view) return Promise.resolve(DONE);
    if (view.index < this.#kept.length) {
      const value = (this.#committed ? this.#kept.shift() : this.#kept[view.index++]) as T;
      return Promise.resolve({ done: false, value });
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    if (this.#exhausted) return Promise.resolve(DONE);
    // Once committed, messages pass straight through; the detour through `#kept` would double the cost of a message.
    if (this.#committed && this.#pull === undefined && this.#source !== undefined) {
      return this.#source.next().then(this.#onPassed, this.#onFailed);
    }
    this.#pull ??= this.#take();
    return this.#pull.then(() => this.next(view));
  }

  readonly #onPassed = (result: IteratorResult<T>): IteratorResult<T> => {
    if (result.done === true) this.#exhausted = true;
    return result;
  };

  readonly #onFailed = (error: unknown): never => {
    this.#failure = { error };
    this.#exhausted = true;
    throw error;
  };

  async #take(): Promise<void> {
    try {
      this.#source ??= this.#iterable[Symbol.asyncIterator]();
      const result = await this.#source.next();
      if (result.done === true) {
        this.#exhausted = true;
      } else {
        this.#kept.push(result.value);
      }
    } catch (error) {
      this.#failure = { error };
      this.#exhausted = true;
    } finally {
      this.#pull = undefined;
    }
  }
}

/** The request messages as one attempt reads them, with its position in those that are kept. */
export class View<T> implements AsyncIterableIterator<T> {
  readonly #buffer: ReplayBuffer<T>;
  closed = false;
  index = 0;

  constructor(buffer: ReplayBuffer<T>) {
    this.#buffer = buffer;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    return this.#buffer.next(this);
  }

  return(): Promise<IteratorResult<T>> {
    this.close();
    return Promise.resolve(DONE);
  }

  /** Resolves like `return`: code that ends a failed attempt this way ignores the result. */
  throw(): Promise<IteratorResult<T>> {
    return this.return();
  }

  close(): void {
    this.closed = true;
  }
}
