/** Draws indices with probabilities in proportion to weights, in constant time: Vose's alias method. */
export class AliasTable {
  readonly #size: number;
  /**
   * Two numbers for each index, side by side: up to where in its slot, from 0 to 1, it is drawn itself, and to which
   * index the rest of the slot belongs.
   */
  readonly #slots: Float64Array;

  /** Weights are above 0 and finite, as is their sum. */
  constructor(weights: readonly number[]) {
    const size = this.#size = weights.length, total = weights.reduce((sum, weight) => sum + weight, 0);
    const slots = this.#slots = new Float64Array(2 * size), small: number[] = [], large: number[] = [];
    weights.forEach((weight, i) => {
      slots[2 * i] = weight / total * size;
      (slots[2 * i]! < 1 ? small : large).push(i);
    });
    while (small.length > 0 && large.length > 0) {
      const poor = small.pop()!, rich = large.at(-1)!;
      slots[2 * poor + 1] = rich;
      slots[2 * rich]! -= 1 - slots[2 * poor]!;
      if (slots[2 * rich]! < 1) small.push(large.pop()!);
    }
    // What is left over by rounding has a whole slot.
    for (const i of [...small, ...large]) slots[2 * i] = 1;
  }

  /** An index; `random` is from 0 to below 1. */
  draw(random: number): number {
    const place = random * this.#size, slot = Math.floor(place);
    return place - slot < this.#slots[2 * slot]! ? slot : this.#slots[2 * slot + 1]!;
  }
}
