import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { AliasTable } from "../../src/policy/alias-table.ts";

describe("AliasTable", () => {
  it("draws each index as often as its weight says", () => {
    const weights = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 100 }), fc.double({ min: 1e-6, max: 1, noNaN: true })),
      {
        minLength: 1,
        maxLength: 40,
      },
    );
    fc.assert(
      fc.property(weights, (weights) => {
        const table = new AliasTable(weights), counts = weights.map(() => 0), draws = 20_000;
        for (let i = 0; i < draws; i++) counts[table.draw((i + 0.5) / draws)]!++;
        const total = weights.reduce((a, b) => a + b);
        // Each draw stands for 1/20,000; every slot has two borders at most.
        weights.forEach((weight, i) => {
          const error = Math.abs(counts[i]! - weight / total * draws);
          assert.ok(error <= 2 * weights.length + 2, `${counts[i]} for ${weight} of ${total}`);
        });
      }),
      { numRuns: 50 },
    );
  });

  it("divides a slot exactly where the weight ends", () => {
    // The first slot is half of the first index, half of the second.
    const table = new AliasTable([1, 3]);
    assert.deepEqual([0, 0.249_999, 0.25, 0.499_999, 0.5, 0.999_999].map((random) => table.draw(random)), [
      ...[0, 0, 1, 1],
      ...[1, 1],
    ]);
    assert.deepEqual([0, 0.499_999, 0.5, 0.999_999].map((random) => new AliasTable([2, 2]).draw(random)), [0, 0, 1, 1]);
  });
});
