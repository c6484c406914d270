import { NO_SEED, type Uint64, xxh64 } from "../hash/xxh64.ts";

/** How many slots the keys are put in: enough that each of a thousand members has hundreds. */
export const SLOTS = 0x4_0000;

/** Up to how many members are all looked at for each key. Above, the first of each slot is remembered. */
const FEW = 64;

/** Who is ranked. */
export interface RankedMember {
  /** Determines, with a slot, the place in that slot's ranking. */
  readonly key: string;
  /** How often it is first, relative to others; above 0. */
  readonly weight: number;
}

/** Rendezvous hashing: for each slot, a ranking of all members that depends on nothing but the slot and the member. */
export class Ranking {
  readonly #size: number;
  /** The hashes of the members' keys, in halves. */
  readonly #high: Int32Array;
  readonly #low: Int32Array;
  /** The members' weights; undefined if all are the same. */
  readonly weights: Float64Array | undefined;
  /** The first of each slot plus 1; 0: not known yet. */
  readonly #first: Uint32Array | undefined;

  constructor(members: readonly RankedMember[]) {
    const size = this.#size = members.length;
    this.#high = new Int32Array(size);
    this.#low = new Int32Array(size);
    const hash: Uint64 = { high: 0, low: 0 };
    members.forEach(({ key }, i) => {
      xxh64(key, NO_SEED, hash);
      this.#high[i] = hash.high;
      this.#low[i] = hash.low;
    });
    const equal = members.every(({ weight }) => weight === members[0]!.weight);
    this.weights = equal ? undefined : Float64Array.from(members, ({ weight }) => weight);
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
    let best = 0, highest = -Infinity;
    for (let i = 0; i < this.#size; i++) {
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
