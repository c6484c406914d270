/** The latencies of some attempts or calls, in milliseconds. */
export class Latencies {
  readonly #values: number[] = [];

  add(latencyMs: number): void {
    if (latencyMs >= 0) this.#values.push(latencyMs);
  }

  /** Median and 99th percentile by nearest rank, in hundredths of a millisecond; null if there are none. */
  percentiles(): { readonly p50Ms: number | null; readonly p99Ms: number | null } {
    const sorted = Float64Array.from(this.#values).sort();
    const rank = (share: number) =>
      sorted.length === 0 ? null : Math.round(100 * sorted[Math.ceil(share * sorted.length) - 1]!) / 100;
    return { p50Ms: rank(0.5), p99Ms: rank(0.99) };
  }
}
