import { Sfc32 } from "../../../test/support/sfc32.ts";

/** Random numbers that depend on the seed alone, and the distributions that models need. */
export class Random extends Sfc32 {
  /** A whole number from 0 to `below` − 1. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  exponential(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }

  normal(mean: number, deviation: number): number {
    return mean + deviation * Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }

  /** A generator of its own, so that one part of a model doesn't shift the numbers of another. */
  fork(): Random {
    return new Random(this.below(2 ** 32));
  }
}
