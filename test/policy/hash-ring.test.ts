import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HashRing } from "../../src/policy/hash-ring.ts";

const members = (weights: Record<string, number>) => Object.entries(weights).map(([key, weight]) => ({ key, weight }));

function pointsOf(ring: HashRing, keys: readonly string[]): [string, string][] {
  return Array.from({ length: ring.size }, (_, i) => {
    const { high, low } = ring.hashOf(i);
    return [keys[ring.ownerOf(i)]!, (BigInt(high) << 32n | BigInt(low)).toString()];
  });
}

describe("HashRing", () => {
  it("has grpc-go's points", () => {
    const ring = new HashRing(members({ a: 3, b: 3, c: 4 }), 10, 10);
    assert.deepEqual(pointsOf(ring, ["a", "b", "c"]), [
      ["a", "4148279810343392165"],
      ["b", "4189641231046734040"],
      ["c", "5051629784258667479"],
      ["b", "5637671355026233228"],
      ["b", "6560897439782492108"],
      ["a", "7866922100246443948"],
      ["c", "8142612688290817183"],
      ["c", "14554126711339088812"],
      ["c", "14801583559950740418"],
      ["a", "18017992814255492179"],
    ]);
  });

  it("gives the least member a whole number of points, unless the ring would become too large", () => {
    const counts = (ring: HashRing) => {
      const counts = new Map<number, number>();
      for (let i = 0; i < ring.size; i++) counts.set(ring.ownerOf(i), (counts.get(ring.ownerOf(i)) ?? 0) + 1);
      return [...counts].sort(([a], [b]) => a - b).map(([, count]) => count);
    };
    assert.deepEqual(counts(new HashRing(members({ a: 1, b: 1, c: 1 }), 1_024, 4_096)), [342, 342, 342]);
    assert.deepEqual(counts(new HashRing(members({ a: 1, b: 3 }), 10, 4_096)), [3, 9]);
    assert.deepEqual(counts(new HashRing(members({ a: 3, b: 3, c: 4 }), 1_024, 7)), [3, 2, 2]);
    assert.deepEqual(counts(new HashRing(members({ a: 1 }), 1, 1)), [1]);
  });

  it("is the same in whatever order its members come", () => {
    const forth = new HashRing(members({ a: 3, b: 3, c: 4 }), 100, 100);
    const back = new HashRing(members({ c: 4, b: 3, a: 3 }), 100, 100);
    assert.deepEqual(pointsOf(forth, ["a", "b", "c"]), pointsOf(back, ["c", "b", "a"]));
  });

  it("gives the points that are over to members by their keys, not by their places", () => {
    const weights = { b: 3, d: 1.5, a: 3, c: 4 },
      sorted = new HashRing(members({ a: 3, b: 3, c: 4, d: 1.5 }), 1_024, 9);
    const expected = pointsOf(sorted, ["a", "b", "c", "d"]);
    for (const order of ["bdac", "dcba", "acbd", "cabd", "badc", "dabc"]) {
      const keys = [...order] as (keyof typeof weights)[];
      const ring = new HashRing(keys.map((key) => ({ key, weight: weights[key] })), 1_024, 9);
      assert.deepEqual(pointsOf(ring, keys), expected, order);
    }
  });

  it("has its points in the order of their hashes, also where only the lower halves differ", () => {
    const ring = new HashRing(members({ d: 1 }), 100_000, 100_000);
    let equal = 0;
    for (let i = 1; i < ring.size; i++) {
      const before = ring.hashOf(i - 1), { high, low } = ring.hashOf(i);
      if (high === before.high) equal++;
      assert.ok(before.high < high || before.high === high && before.low < low);
    }
    assert.equal(equal, 4);
  });

  it("gives the points of members with the same key to the first of them", () => {
    const ring = new HashRing([{ key: "b", weight: 1 }, { key: "a", weight: 1 }, { key: "a", weight: 1 }], 300, 300);
    const owners = new Set(Array.from({ length: ring.size }, (_, i) => ring.ownerOf(ring.find(ring.hashOf(i)))));
    assert.deepEqual([...owners].sort(), [0, 1]);
  });

  it("finds the first point at or after a hash, and goes around", () => {
    const ring = new HashRing(members({ a: 3, b: 3, c: 4 }), 10, 10);
    const find = (value: bigint) => ring.find({ high: Number(value >> 32n), low: Number(value & 0xffff_ffffn) });
    assert.equal(find(0n), 0);
    assert.equal(find(4148279810343392165n), 0);
    assert.equal(find(4148279810343392166n), 1);
    assert.equal(find(18017992814255492179n), 9);
    assert.equal(find(18017992814255492180n), 0);
    for (let i = 0; i < ring.size; i++) assert.equal(ring.find(ring.hashOf(i)), i);
  });
});
