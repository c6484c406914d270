import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { inHashOrder, randomSeed } from "../../src/hash/hash-order.ts";
import { NO_SEED, type Uint64, xxh64 } from "../../src/hash/xxh64.ts";

const ofBigInt = (value: bigint): Uint64 => ({ high: Number(value >> 32n), low: Number(value & 0xffff_ffffn) });

function hashOf(text: string, seed = NO_SEED): bigint {
  const hash: Uint64 = { high: 0, low: 0 };
  xxh64(text, seed, hash);
  return BigInt(hash.high) << 32n | BigInt(hash.low);
}

const MASK = (1n << 64n) - 1n;
const PRIMES = [
  11400714785074694791n,
  14029467366897019727n,
  1609587929392839161n,
  9650029242287828579n,
  2870177450012600261n,
] as const;

/** The same by its specification, in numbers of any size. */
function specified(text: string, seed: bigint): bigint {
  const [p1, p2, p3, p4, p5] = PRIMES, bytes = new TextEncoder().encode(text), { length } = bytes;
  const word = (at: number, size: number) => {
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = value << 8n | BigInt(bytes[at + i]!);
    return value;
  };
  const turned = (value: bigint, by: bigint) => (value << by | value >> 64n - by) & MASK;
  const round = (sum: bigint, input: bigint) => turned(sum + input * p2 & MASK, 31n) * p1 & MASK;
  let at = 0, hash = seed + p5 & MASK;
  if (length >= 32) {
    const sums = [seed + p1 + p2 & MASK, seed + p2 & MASK, seed, seed - p1 & MASK];
    for (; at + 32 <= length; at += 32) sums.forEach((sum, i) => sums[i] = round(sum, word(at + 8 * i, 8)));
    hash = [1n, 7n, 12n, 18n].reduce((all, by, i) => all + turned(sums[i]!, by) & MASK, 0n);
    for (const sum of sums) hash = (hash ^ round(0n, sum)) * p1 + p4 & MASK;
  }
  hash = hash + BigInt(length) & MASK;
  for (; at + 8 <= length; at += 8) hash = turned(hash ^ round(0n, word(at, 8)), 27n) * p1 + p4 & MASK;
  if (at + 4 <= length) {
    hash = turned(hash ^ word(at, 4) * p1 & MASK, 23n) * p2 + p3 & MASK;
    at += 4;
  }
  for (; at < length; at++) hash = turned(hash ^ word(at, 1) * p5 & MASK, 11n) * p1 & MASK;
  hash = (hash ^ hash >> 33n) * p2 & MASK;
  hash = (hash ^ hash >> 29n) * p3 & MASK;
  return hash ^ hash >> 32n;
}

describe("xxh64", () => {
  it("gives the hashes of other implementations", () => {
    assert.equal(hashOf("").toString(16), "ef46db3751d8e999");
    assert.equal(hashOf("a").toString(16), "d24ec4f1a98c6e5b");
    assert.equal(hashOf("10.0.0.1:8000", ofBigInt(42n)).toString(16), "5db438e50fd5578e");
  });

  it("gives what its specification says, for texts of all lengths, in all alphabets, under all seeds", () => {
    for (let length = 0; length < 300; length++) {
      const text = "0123456789abcdefghijklmnopqrstuvwxyz-é€😀".repeat(9).slice(0, length);
      assert.equal(hashOf(text), specified(text, 0n), `length ${length}`);
    }
    const bits = fc.bigInt({ min: 0n, max: MASK });
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 80 }), bits, (text, seed) => {
        assert.equal(hashOf(text, ofBigInt(seed)), specified(text, seed));
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), bits, (text, seed) => {
        assert.equal(hashOf(text, ofBigInt(seed)), specified(text, seed));
      }),
      { numRuns: 300 },
    );
  });
});

describe("inHashOrder", () => {
  it("sorts by hashes under a seed", () => {
    const addresses = Array.from({ length: 10 }, (_, i) => `10.0.0.${i + 1}:8000`);
    const order = inHashOrder(addresses, (address) => address, ofBigInt(42n));
    const last = order.map((address) => Number(/\.(\d+):/.exec(address)![1]));
    assert.deepEqual(last, [9, 5, 3, 10, 7, 1, 6, 8, 2, 4]);
    assert.equal(addresses[0], "10.0.0.1:8000", "the list itself stays as it is");
  });

  it("has seeds of 64 bits", () => {
    const values = [0.25, 0.999_999_999_9];
    assert.deepEqual(randomSeed(() => values.shift()!), { high: 0x4000_0000, low: 0xffff_ffff });
  });
});
