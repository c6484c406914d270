/**
 * Hands the newest value to any number of consumers: each has one slot, and the latest value wins. The value is read
 * when a consumer asks for it, so a slow consumer costs little, however often the value changes.
 */
export class LatestValue<T> {
  readonly #read: () => T;
  readonly #onConsumers: (count: number) => void;
  readonly #wake = new Set<() => void>();
  #version = 0;
  #consumers = 0;
  #ended = false;

  /** `onConsumers` is called with the number of consumers whenever one is added or removed. */
  constructor(read: () => T, onConsumers: (count: number) => void = () => {}) {
    this.#read = read;
    this.#onConsumers = onConsumers;
  }

  /** How many consumers there are. */
  get consumers(): number {
    return this.#consumers;
  }

  /** There is a new value. */
  changed(): void {
    this.#version++;
    for (const wake of [...this.#wake]) wake();
  }

  /** There will be no more values: consumers get the newest one if they have not had it yet, then the end. */
  end(): void {
    this.#ended = true;
    for (const wake of [...this.#wake]) wake();
  }

  /** Yields the newest value as soon as there is one, then after every change, until the signal aborts. */
  async *consume(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    let seen = 0;
    this.#onConsumers(++this.#consumers);
    try {
      while (!signal.aborted) {
        if (seen !== this.#version) {
          seen = this.#version;
          yield this.#read();
        } else if (this.#ended) return;
        else await this.#change(signal);
      }
    } finally {
      this.#onConsumers(--this.#consumers);
    }
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#wake.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wake.add(wake);
      signal.addEventListener("abort", wake);
    });
  }
}
