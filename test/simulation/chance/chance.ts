import { Sfc32 } from "../../support/sfc32.ts";

/** Random numbers that depend on a seed alone, and the draws that a simulation needs. */
export class Chance extends Sfc32 {
  readonly #seed: number;

  constructor(seed: number) {
    super(seed);
    this.#seed = seed >>> 0;
  }

  /**
   * A source of its own for a part of the world, by its name: it depends on the seed and the name alone, so that a fault
   * that is left out changes no other part's numbers.
   */
  of(name: string | number): Chance {
    let hash = 0x811c9dc5 ^ this.#seed;
    const text = String(name);
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    return new Chance(Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ this.#seed);
  }

  /** Whether something of this probability happens. */
  is(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number from `from` to `to`. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  /** From `from` to `to`, each order of magnitude as likely as another. Whole, because `Math.exp` may differ. */
  scale(from: number, to: number): number {
    let low = from;
    while (low * 2 < to && this.is(0.7)) low *= 2;
    return Math.round(this.between(low, Math.min(to, low * 2)));
  }

  /** One of several. */
  one<T>(of: readonly T[]): T {
    return of[Math.floor(this.next() * of.length)]!;
  }

  /** One of several names. One that is added later is drawn by some seeds; all others draw what they drew before. */
  named<T extends string>(names: readonly T[]): T {
    const draws = new Map(names.map((name) => [name, this.of(name).next()]));
    return names.reduce((best, name) => draws.get(name)! > draws.get(best)! ? name : best);
  }
}
