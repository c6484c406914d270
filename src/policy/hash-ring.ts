import { NO_SEED, type Uint64, xxh64 } from "../hash/xxh64.ts";

/** What a ring is made of. */
export interface RingMember {
  /** What its points are hashes of. */
  readonly key: string;
  /** Its share of the points relative to others, above 0. */
  readonly weight: number;
}

/**
 * A hash ring: points on a circle of 64-bit hashes, each of which belongs to a member. For equal members, weights and
 * sizes, it has the same points as grpc-go's and Envoy's, so that their clients and ours agree on who serves a key.
 */
export class HashRing {
  /** How many points there are. */
  readonly size: number;
  /** The hashes of the points in ascending order, in halves. */
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  /** Whose point it is: an index in the list of members. */
  readonly #owner: Uint32Array;

  /** `members` are not empty. The least of them gets a whole number of points if `maxSize` allows that. */
  constructor(members: readonly RingMember[], minSize: number, maxSize: number) {
    const owners = ownersOf(members, minSize, maxSize);
    const size = this.size = owners.length;
    const high = new Uint32Array(size), low = new Uint32Array(size);
    const hash: Uint64 = { ...NO_SEED };
    for (let i = 0, first = 0; i < size; i++) {
      if (owners[i] !== owners[first]) first = i;
      xxh64(`${members[owners[i]!]!.key}_${i - first}`, NO_SEED, hash);
      high[i] = hash.high;
      low[i] = hash.low;
    }
    const order = Uint32Array.from(owners.keys()).sort((a, b) => high[a]! - high[b]! || low[a]! - low[b]!);
    this.#high = order.map((i) => high[i]!);
    this.#low = order.map((i) => low[i]!);
    this.#owner = order.map((i) => owners[i]!);
  }

  /** The index of the first point at or after a hash. */
  find({ high, low }: Readonly<Uint64>): number {
    const highs = this.#high;
    let from = 0, to = this.size;
    while (from < to) {
      const middle = (from + to) >>> 1, at = highs[middle]!;
      if (at < high || at === high && this.#low[middle]! < low) from = middle + 1;
      else to = middle;
    }
    return from === this.size ? 0 : from;
  }

  /** The index of the member that a point belongs to. */
  ownerOf(point: number): number {
    return this.#owner[point]!;
  }

  /** Which part of the points each of so many members has. */
  sharesOf(members: number): readonly number[] {
    const counts = new Array<number>(members).fill(0);
    for (const owner of this.#owner) counts[owner]!++;
    return counts.map((count) => count / this.size);
  }

  /** The hash of a point. */
  hashOf(point: number): Uint64 {
    return { high: this.#high[point]!, low: this.#low[point]! };
  }
}

/**
 * Whose each point is, before the points are hashed and sorted: gRPC's algorithm (gRFC A42). The points of a member
 * follow each other; members come in the order of their keys.
 */
function ownersOf(members: readonly RingMember[], minSize: number, maxSize: number): number[] {
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const shares = members.map(({ weight }) => weight / total);
  const least = shares.reduce((least, share) => Math.min(least, share));
  const scale = Math.min(Math.ceil(least * minSize) / least, maxSize);
  const byKey = [...members.keys()].sort((a, b) => compare(members[a]!.key, members[b]!.key));
  const owners: number[] = [];
  let target = 0;
  for (const member of byKey) {
    target += scale * shares[member]!;
    while (owners.length < target) owners.push(member);
  }
  return owners;
}

function compare(a: string, b: string): number {
  return Number(a > b) - Number(a < b);
}
