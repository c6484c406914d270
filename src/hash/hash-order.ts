import { NO_SEED, type Uint64, xxh64 } from "./xxh64.ts";

/** Sorts a copy of a list by the hashes of its items' keys under a seed: a shuffle that is the same for each seed. */
export function inHashOrder<T>(items: readonly T[], keyOf: (item: T) => string, seed: Readonly<Uint64>): T[] {
  const hashed = items.map((item) => {
    const hash: Uint64 = { ...NO_SEED };
    xxh64(keyOf(item), seed, hash);
    return { item, hash };
  });
  hashed.sort((a, b) => a.hash.high - b.hash.high || a.hash.low - b.hash.low);
  return hashed.map(({ item }) => item);
}

/** A random seed. `random` returns numbers from 0 to below 1. */
export function randomSeed(random: () => number): Uint64 {
  const half = () => Math.floor(random() * 0x1_0000_0000);
  return { high: half(), low: half() };
}
