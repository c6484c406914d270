/** How many calls are remembered. */
const SIZE = 32;
/** How many of them an estimate is the median of, if there are as many. */
const ENOUGH = 8;

/**
 * How long calls take at a certain load: the median of those of the last 32 that had about as many others beside them
 * (Wydrowski et al., "Load is not what you should balance", NSDI 2024).
 */
export class LatencyEstimate {
  readonly #inFlight = new Int32Array(SIZE);
  readonly #latencyMs = new Float64Array(SIZE);
  readonly #near = new Float64Array(SIZE);
  #size = 0;
  #next = 0;

  /** A call took so long, with so many others in flight. */
  add(inFlight: number, latencyMs: number): void {
    this.#inFlight[this.#next] = inFlight;
    this.#latencyMs[this.#next] = latencyMs;
    this.#next = (this.#next + 1) % SIZE;
    if (this.#size < SIZE) this.#size++;
  }

  /** The estimate with so many calls in flight; undefined if no call is remembered. */
  at(inFlight: number): number | undefined {
    if (this.#size === 0) return undefined;
    const enough = Math.min(ENOUGH, this.#size);
    let found = 0;
    for (let distance = 0; found < enough; distance = distance * 2 + 1) found = this.#collect(inFlight, distance);
    return this.#near.subarray(0, found).sort()[found >> 1];
  }

  /** Collects the latencies of calls at most so far from a load; returns how many they are. */
  #collect(inFlight: number, distance: number): number {
    let found = 0;
    for (let i = 0; i < this.#size; i++) {
      if (Math.abs(this.#inFlight[i]! - inFlight) <= distance) this.#near[found++] = this.#latencyMs[i]!;
    }
    return found;
  }
}
