/** How long calls took: all of them, since the far tail is what is asked for. */
export class Latencies {
  #values = new Float64Array(1_024);
  #size = 0;
  #sorted = true;

  get size(): number {
    return this.#size;
  }

  add(ms: number): void {
    if (this.#size === this.#values.length) {
      const values = new Float64Array(2 * this.#size);
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[this.#size++] = ms;
    this.#sorted = false;
  }

  /** The latency that so large a share of the calls did not exceed; NaN if there were none. */
  quantile(share: number): number {
    this.#sort();
    return this.#values[Math.min(this.#size - 1, Math.floor(this.#size * share))] ?? NaN;
  }

  get mean(): number {
    let sum = 0;
    for (let i = 0; i < this.#size; i++) sum += this.#values[i]!;
    return sum / this.#size;
  }

  #sort(): void {
    if (this.#sorted) return;
    this.#values.subarray(0, this.#size).sort();
    this.#sorted = true;
  }
}
