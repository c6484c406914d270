import { Slices } from "../time/slices.ts";

/** How long a latency counts: between two and three of these. */
const SLICE_MS = 10_000;
const SLICES = 3;

/** Latencies are counted in buckets; the upper ends of neighbouring buckets differ by this factor. */
const GROWTH = 1.05;
const FIRST_MS = 0.05;
/** Up to more than half an hour. */
const BUCKETS = 360;

/** The fewest latencies that say anything about the slowest ones. */
const FEWEST = 100;

/** The latencies of one method in the last 20 to 30 seconds, in memory of a fixed size. */
export class LatencyWindow {
  /** What was counted in each slice of the window; the current one, and those before it. */
  readonly #slices = Array.from({ length: SLICES }, () => new Uint32Array(BUCKETS));
  readonly #all = new Uint32Array(BUCKETS);
  readonly #time = new Slices(SLICE_MS, SLICES);
  #count = 0;
  #current = 0;

  add(latencyMs: number, nowMs: number): void {
    this.#catchUp(nowMs);
    const bucket = bucketOf(latencyMs);
    this.#slices[this.#current]![bucket]!++;
    this.#all[bucket]!++;
    this.#count++;
  }

  /**
   * A latency that at most this share of the recent calls exceeded, up to 5 % above the shortest such one. Undefined if
   * there were too few calls, or if it is longer than any that can be distinguished.
   */
  exceededBy(share: number, nowMs: number): number | undefined {
    this.#catchUp(nowMs);
    if (this.#count < FEWEST) return undefined;
    let longer = 0;
    for (let bucket = BUCKETS - 1; bucket >= 0; bucket--) {
      longer += this.#all[bucket]!;
      if (longer > share * this.#count) return bucket === BUCKETS - 1 ? undefined : FIRST_MS * GROWTH ** bucket;
    }
    return undefined;
  }

  /** Forgets the slices that are too old. */
  #catchUp(nowMs: number): void {
    for (let begun = this.#time.begun(nowMs); begun > 0; begun--) {
      this.#current = (this.#current + 1) % SLICES;
      const slice = this.#slices[this.#current]!;
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        this.#count -= slice[bucket]!;
        this.#all[bucket]! -= slice[bucket]!;
      }
      slice.fill(0);
    }
  }
}

/** The bucket whose upper end is the first that is not below the latency. */
function bucketOf(latencyMs: number): number {
  const bucket = Math.ceil(Math.log(latencyMs / FIRST_MS) / Math.log(GROWTH));
  return Math.min(Math.max(0, bucket), BUCKETS - 1);
}
