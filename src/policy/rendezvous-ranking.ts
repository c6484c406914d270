import { NO_SEED, type Uint64, xxh64 } from "../hash/xxh64.ts";

/** How many slots the keys are put in: enough that each of a thousand members has hundreds. */
export const SLOTS = 0x4_0000;

/** Up to how many members are all looked at for each key. Above, the first of each slot is remembered. */
const FEW = 64;

/** Rendezvous hashing: for each slot, a ranking of all members that depends on nothing but the slot and the member. */
export class Ranking {
  readonly #size: number;
  /** The hashes of the members' keys, in halves. */
  readonly #high: Int32Array;
  readonly #low: Int32Array;
  /** How often each is first, relative to others, above 0; undefined: all equally often. */
  readonly weights: readonly number[] | undefined;
  /** The first of each slot plus 1; 0: not known yet. */
  readonly #first: Uint32Array | undefined;

  /** `keys` determine, with a slot, the places in that slot's ranking. */
  constructor(keys: readonly string[], weights: readonly number[] | undefined) {
    const size = this.#size = keys.length;
    this.weights = weights;
    this.#high = new Int32Array(size);
    this.#low = new Int32Array(size);
    const hash: Uint64 = { ...NO_SEED };
    keys.forEach((key, i) => {
      xxh64(key, NO_SEED, hash);
      this.#high[i] = hash.high;
      this.#low[i] = hash.low;
    });
    if (size > FEW) this.#first = new Uint32Array(SLOTS);
  }

  /** The member that is first in a slot. */
  firstOf(slot: number): number {
    if (this.#first === undefined) return this.#highest(slot);
    const known = this.#first[slot]!;
    if (known > 0) return known - 1;
    const first = this.#highest(slot);
    this.#first[slot] = first + 1;
    return first;
  }

  #highest(slot: number): number {
    let best = 0, highest = this.scoreOf(slot, 0);
    for (let i = 1; i < this.#size; i++) {
      const score = this.scoreOf(slot, i);
      if (score <= highest) continue;
      best = i;
      highest = score;
    }
    return best;
  }

  /** The higher, the better its place in the slot's ranking. */
  scoreOf(slot: number, member: number): number {
    const hash = mixed(mixed(Math.imul(slot, 0x9e37_79b1) ^ this.#low[member]!) + this.#high[member]!) >>> 0;
    if (this.weights === undefined) return hash;
    // Of exponentially distributed numbers, each is the least with a probability in proportion to its rate.
    return this.weights[member]! / -Math.log((hash + 0.5) / 0x1_0000_0000);
  }
}

/** The end of MurmurHash3: each bit of the result depends on all bits. */
function mixed(bits: number): number {
  let hash = bits ^ bits >>> 16;
  hash = Math.imul(hash, 0x85eb_ca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2_ae35);
  return hash ^ hash >>> 16;
}
