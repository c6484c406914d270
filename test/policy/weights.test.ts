import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { boundedWeights, meanWeight, sameWeights } from "../../src/policy/weights.ts";

describe("weights of endpoints", () => {
  it("stay as they are within 1/100 to 100 times their median", () => {
    for (const weights of [[1, 100, 10_000], [9, 1, 1], [0.5, 50, 0, 1], [], [0, 0], [7], [1e300, 1e300]]) {
      assert.deepEqual(boundedWeights(weights), weights);
    }
  });

  it("are brought there otherwise, except for those that are not known", () => {
    assert.deepEqual(boundedWeights([1e300, 2, 2, 5e-324, 2]), [200, 2, 2, 0.02, 2]);
    assert.deepEqual(boundedWeights([1, 1, 101, 0]), [1, 1, 100, 0]);
    assert.deepEqual(boundedWeights([1, 1, 0.009, 0]), [1, 1, 0.01, 0]);
    assert.deepEqual(boundedWeights([1, 3, 500, 4]), [1, 3, 350, 4], "the median of an even number is between two");
    assert.deepEqual(boundedWeights([5e-324, 5e-324, 1e-323, 1]), [5e-324, 5e-324, 1e-323, 5e-324 * 100]);
    assert.deepEqual(boundedWeights([Number.MAX_VALUE, Number.MAX_VALUE, 1]), [
      Number.MAX_VALUE,
      Number.MAX_VALUE,
      Number.MAX_VALUE / 100,
    ]);
  });

  it("are finite and above 0 afterwards, whatever they were", () => {
    const weight = fc.oneof(fc.double({ min: 5e-324, max: Number.MAX_VALUE, noNaN: true }), fc.constant(0));
    fc.assert(fc.property(fc.array(weight, { maxLength: 20 }), (weights) => {
      const bounded = boundedWeights(weights);
      bounded.forEach((value, i) => {
        if (weights[i] === 0) assert.equal(value, 0);
        else assert.ok(value > 0 && value < Infinity, `${value}`);
      });
      const known = bounded.filter((value) => value > 0);
      // Twice: the median of an even number may lie anywhere between two.
      if (known.length > 0) assert.ok(Math.max(...known) / Math.min(...known) <= 10_001);
    }));
  });

  it("are the same if all that are known are", () => {
    for (const weights of [[], [0], [2], [0, 2, 2, 0], [1, 1]]) assert.equal(sameWeights(weights), true, `${weights}`);
    for (const weights of [[1, 2], [2, 1], [0, 1, 0, 2], [1, 1, 0.5]]) assert.equal(sameWeights(weights), false);
  });

  it("have a mean, of those that are known", () => {
    assert.equal(meanWeight([1, 0, 3]), 2);
    assert.equal(meanWeight([]), 0);
    assert.equal(meanWeight([0]), 0);
    assert.equal(meanWeight([Number.MAX_VALUE, Number.MAX_VALUE]), Number.MAX_VALUE);
  });
});
