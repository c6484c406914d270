import { concat } from "../support/raw-http2/frame.ts";

/** A number from 0 to below the one given. */
export type Random = (below: number) => number;

/** A small generator of numbers (mulberry32): the same seed gives the same case on every runtime. */
export function generator(seed: number): Random {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

export function noise(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random(256));
}

export function oneOf<T>(random: Random, all: readonly T[]): T {
  return all[random(all.length)]!;
}

/** Changes, cuts or repeats some bytes, or leaves them as they are. */
export function mutate(random: Random, from: Uint8Array): Uint8Array {
  if (from.length === 0 || random(3) > 0) return from;
  const out = from.slice();
  for (let i = random(4); i >= 0; i--) out[random(out.length)] = random(256);
  const cut = random(out.length + 1);
  return random(3) > 0 ? out : random(2) === 0 ? out.subarray(0, cut) : concat(out, out.subarray(cut));
}
