import type { Series } from "./backend.ts";
import type { HistogramValue } from "./metric-data.ts";

// Where `#stats` keeps what is not a bucket.
const SUM = 0, MIN = 1, MAX = 2;

/** A histogram with fixed buckets. Recording allocates nothing. */
export class Histogram implements Series {
  readonly #boundaries: readonly number[];
  /** One more than there are boundaries: the last bucket has no upper bound. */
  readonly #counts: Float64Array;
  readonly #stats = new Float64Array([0, Infinity, -Infinity]);

  constructor(boundaries: readonly number[]) {
    this.#boundaries = boundaries;
    this.#counts = new Float64Array(boundaries.length + 1);
  }

  record(value: number): void {
    // As in the SDK: neither what is no number, nor what is negative.
    if (!(value >= 0)) return;
    const boundaries = this.#boundaries, stats = this.#stats;
    // The first boundary that is not below the value.
    let low = 0, high = boundaries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (boundaries[middle]! < value) low = middle + 1;
      else high = middle;
    }
    this.#counts[low]!++;
    stats[SUM]! += value;
    if (value < stats[MIN]!) stats[MIN] = value;
    if (value > stats[MAX]!) stats[MAX] = value;
  }

  /** Its value now; undefined if nothing was recorded. */
  get value(): HistogramValue | undefined {
    const counts = [...this.#counts];
    const count = counts.reduce((sum, each) => sum + each, 0);
    if (count === 0) return undefined;
    const [sum, min, max] = this.#stats as unknown as [number, number, number];
    return { buckets: { boundaries: [...this.#boundaries], counts }, count, sum, min, max };
  }
}

/** A counter, which may also go down. */
export class Sum implements Series {
  /** Its value now. */
  value = 0;

  record(value: number): void {
    this.value += value;
  }
}
