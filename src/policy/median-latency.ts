import type { DescMethod } from "@bufbuild/protobuf";

/** How far an estimate moves with each call. */
const STEP = 1.05;

interface Estimate {
  medianMs: number;
}

/**
 * The median latency of each method's calls, roughly: the estimate goes up with each call that takes longer, and down
 * with each one that does not.
 */
export class MedianLatency {
  readonly #estimates = new WeakMap<DescMethod, Estimate>();
  /** Most calls are of the same method as the one before. */
  #method: DescMethod | undefined;
  #estimate: Estimate | undefined;

  add(method: DescMethod, latencyMs: number): void {
    const estimate = this.#of(method);
    if (estimate === undefined) {
      this.#estimates.set(method, this.#estimate = { medianMs: latencyMs });
    } else {
      estimate.medianMs = latencyMs > estimate.medianMs
        ? Math.min(latencyMs, estimate.medianMs * STEP)
        : Math.max(latencyMs, estimate.medianMs / STEP);
    }
  }

  /** In milliseconds; 0 if nothing is known of the method. */
  of(method: DescMethod): number {
    return this.#of(method)?.medianMs ?? 0;
  }

  #of(method: DescMethod): Estimate | undefined {
    if (method !== this.#method) {
      this.#method = method;
      this.#estimate = this.#estimates.get(method);
    }
    return this.#estimate;
  }
}
