import type { DescMethod } from "@bufbuild/protobuf";

/** How many methods are remembered; those that were first seen the longest ago are forgotten. */
const MOST_METHODS = 256;
/** How many calls a method must have had for its latency to be known. */
const ENOUGH = 5;
/** How far one call moves the estimate. */
const STEP = 1.05;
/** The least estimate, in milliseconds: from 0 no factor leads anywhere. */
const LEAST_MS = 0.01;

/**
 * How long each method usually takes until the server begins to answer, in all of the fleet: its median, estimated
 * without remembering calls. Each call moves the estimate up or down by a small factor, so that it settles where half
 * of the calls take longer (Ma, Muthukrishnan and Sandler, "Frugal streaming for estimating quantiles", 2013).
 */
export class UsualLatency {
  readonly #byMethod = new Map<DescMethod, { ms: number; calls: number }>();

  /** A call was answered after so many milliseconds. */
  add(method: DescMethod, latencyMs: number): void {
    const usual = this.#byMethod.get(method);
    if (usual === undefined) return this.#first(method, latencyMs);
    if (latencyMs > usual.ms) usual.ms *= STEP;
    else if (latencyMs < usual.ms && usual.ms > LEAST_MS) usual.ms /= STEP;
    usual.calls++;
  }

  #first(method: DescMethod, latencyMs: number): void {
    if (this.#byMethod.size >= MOST_METHODS) {
      for (const oldest of this.#byMethod.keys()) {
        this.#byMethod.delete(oldest);
        break;
      }
    }
    this.#byMethod.set(method, { ms: Math.max(latencyMs, LEAST_MS), calls: 1 });
  }

  /** In milliseconds; undefined while there were too few calls. */
  of(method: DescMethod): number | undefined {
    const usual = this.#byMethod.get(method);
    return usual !== undefined && usual.calls >= ENOUGH ? usual.ms : undefined;
  }
}
