/** The greatest weight after scaling. */
const MAX = 65_535;

/** How far apart the places of neighbours in a cycle are, so that they aren't picked in the same generation. */
const OFFSET = 32_767;

/**
 * Scales weights to whole numbers up to 65,535. A weight of 0 is not known, and counts as the mean of the others, as in
 * gRFC A58. Returns undefined if all are the same then: round robin does it exactly.
 */
export function scaledWeights(weights: readonly number[]): Uint16Array | undefined {
  let max = 0, known = 0, sum = 0;
  for (const weight of weights) max = Math.max(max, weight);
  for (const weight of weights) {
    if (weight === 0) continue;
    known++;
    sum += weight / max;
  }
  if (known < 2) return undefined;
  const mean = sum / known;
  // Not by a factor, which would be infinite for the smallest numbers.
  const scaled = Uint16Array.from(weights, (weight) => {
    return Math.max(1, Math.round(MAX * (weight === 0 ? mean : weight / max)));
  });
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
  #index: number;
  #generation: number;

  /** Begins with the index `start` in the generation, for weights that were scaled. */
  constructor(weights: Uint16Array, start: number, generation: number) {
    this.#weights = weights;
    this.#index = start;
    this.#generation = generation % MAX;
  }

  /** The generation that it is in; a scheduler of other weights goes on with it. */
  get generation(): number {
    return this.#generation;
  }

  /** The next index. */
  next(): number {
    const weights = this.#weights;
    for (;;) {
      const index = this.#index, generation = this.#generation, weight = weights[index]!;
      if (index + 1 === weights.length) {
        this.#index = 0;
        this.#generation = generation + 1 === MAX ? 0 : generation + 1;
      } else {
        this.#index = index + 1;
      }
      // The product of two 16-bit numbers, unsigned.
      const turn = (Math.imul(weight, generation) >>> 0) % MAX + index * OFFSET % MAX;
      if (turn % MAX >= MAX - weight) return index;
    }
  }
}
