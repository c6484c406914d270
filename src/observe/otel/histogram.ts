import type { Series } from "./backend.ts";
import { Buckets } from "./buckets.ts";
import type { HistogramValue } from "./metric-data.ts";

// Where `stats` keeps what is not a bucket.
const SUM = 0, MIN = 1, MAX = 2;

/** A histogram with fixed buckets. Recording allocates nothing. */
export class Histogram implements Series {
  private readonly buckets: Buckets;
  /** One more than there are boundaries: the last bucket has no upper bound. */
  private readonly counts: Float64Array;
  private readonly stats: Float64Array = new Float64Array([0, Infinity, -Infinity]);

  constructor(boundaries: readonly number[]) {
    this.buckets = Buckets.of(boundaries);
    this.counts = new Float64Array(boundaries.length + 1);
  }

  record(value: number): void {
    // As in the SDK: neither what is no number, nor what is negative.
    if (value >= 0) this.add(value, this.buckets.indexOf(value));
  }

  /** The same for a value whose bucket is known. */
  private add(value: number, index: number): void {
    const { stats } = this;
    this.counts[index]!++;
    stats[SUM]! += value;
    if (value < stats[MIN]!) stats[MIN] = value;
    if (value > stats[MAX]!) stats[MAX] = value;
  }

  /** What records to this one and to another with the same buckets at once: it looks for the bucket once. */
  with(other: Histogram): Series {
    return {
      record: (value) => {
        if (!(value >= 0)) return;
        const index = this.buckets.indexOf(value);
        this.add(value, index);
        other.add(value, index);
      },
    };
  }

  /** Its value now; undefined if nothing was recorded. */
  get value(): HistogramValue | undefined {
    const counts = [...this.counts];
    const count = counts.reduce((sum, each) => sum + each, 0);
    if (count === 0) return undefined;
    const [sum, min, max] = this.stats as unknown as [number, number, number];
    return { buckets: { boundaries: [...this.buckets.boundaries], counts }, count, sum, min, max };
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
