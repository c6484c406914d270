import { sameWeights } from "./weights.ts";

/** The greatest weight after scaling. */
const MAX = 65_535;

/** How far apart the places of neighbours in a cycle are, so that they aren't picked in the same generation. */
const OFFSET = 32_767;

/**
 * Scales weights to whole numbers up to 65,535. A weight of 0 is not known, and counts as the mean of the others, as in
 * gRFC A58. Returns undefined if all are the same then: round robin does it exactly.
 */
export function scaledWeights(weights: readonly number[]): Uint16Array | undefined {
  if (sameWeights(weights)) return undefined;
  let max = 0, known = 0, sum = 0;
  for (const weight of weights) if (weight > max) max = weight;
  for (const weight of weights) {
    if (weight === 0) continue;
    known++;
    sum += weight / max;
  }
  const mean = sum / known;
  // Not by a factor, which would be infinite for the smallest numbers.
  const scaled = new Uint16Array(weights.length);
  weights.forEach((weight, i) => scaled[i] = Math.max(1, Math.round(MAX * (weight === 0 ? mean : weight / max))));
  return scaled.every((weight) => weight === scaled[0]) ? undefined : scaled;
}

/**
 * gRFC A58's static stride scheduler. It goes around the indices in order; each time around is a generation, in which an
 * index is picked or passed over, so that the one with the greatest weight is always picked, and one with half of it
 * every other time. Nothing is random, so the shares hold within a few picks, and a pick costs as many steps as the
 * greatest weight is times the mean.
 */
export class StrideScheduler {
  readonly #weights: Uint16Array;
  /** `OFFSET` times each index, modulo `MAX`. */
  readonly #offsets: Uint16Array;
  #index: number;
  #generation: number;

  /** Begins with the index `start` in the generation, for weights that were scaled. */
  constructor(weights: Uint16Array, start: number, generation: number) {
    this.#weights = weights;
    this.#offsets = weights.map((_, index) => index * OFFSET % MAX);
    this.#index = start;
    this.#generation = generation % MAX;
  }

  /** The generation that it is in; a scheduler of other weights goes on with it. */
  get generation(): number {
    return this.#generation;
  }

  /** The next index. */
  next(): number {
    const weights = this.#weights, offsets = this.#offsets, { length } = weights;
    let index = this.#index, generation = this.#generation;
    for (;;) {
      const at = index, weight = weights[at]!;
      // A product of 32 bits modulo 2¹⁶ − 1 is that of the sum of its halves; a division would take longer than all else.
      const product = Math.imul(weight, generation);
      const turn = ((product >>> 16) + (product & MAX) + offsets[at]!) % MAX;
      if (++index === length) {
        index = 0;
        if (++generation === MAX) generation = 0;
      }
      if (turn < MAX - weight) continue;
      this.#index = index;
      this.#generation = generation;
      return at;
    }
  }
}
