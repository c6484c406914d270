/**
 * Hands the newest value to any number of consumers: each has one slot, and the latest wins. The value is read when a
 * consumer asks for it, so whoever asks rarely costs little however often it changes.
 */
export class LatestValue<T> {
  readonly #read: () => T;
  readonly #onConsumers: (count: number) => void;
  readonly #wake = new Set<() => void>();
  #version = 0;
  #consumers = 0;
  #ended = false;

  /** `onConsumers` is told how many consumers there are each time one comes or goes. */
  constructor(read: () => T, onConsumers: (count: number) => void = () => {}) {
    this.#read = read;
    this.#onConsumers = onConsumers;
  }

  /** There is a new value. */
  changed(): void {
    this.#version++;
    for (const wake of [...this.#wake]) wake();
  }

  /** There will be no more values: consumers get the newest one if they had it not yet, then the end. */
  end(): void {
    this.#ended = true;
    for (const wake of [...this.#wake]) wake();
  }

  /** Yields the newest value as soon as there is one, then each time it changed, until the signal aborts. */
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
