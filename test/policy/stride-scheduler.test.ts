import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { scaledWeights, StrideScheduler } from "../../src/policy/stride-scheduler.ts";

const scaled = (weights: readonly number[]) => {
  const found = scaledWeights(weights);
  return found && [...found];
};

function picks(weights: readonly number[], count: number): number[] {
  const scheduler = new StrideScheduler(scaledWeights(weights)!, 0, 0);
  return Array.from({ length: count }, () => scheduler.next());
}

describe("weights for the static stride scheduler", () => {
  it("are scaled to 16 bits, and the mean stands in for those that are not known", () => {
    assert.deepEqual(scaled([1, 2, 3]), [21845, 43690, 65535]);
    assert.deepEqual(scaled([10, 1, 1]), [65535, 6554, 6554]);
    assert.deepEqual(scaled([1, 0, 3]), [21845, 43690, 65535]);
    assert.deepEqual(scaled([0.1, 0.2, 0.3, 0.4]), [16384, 32768, 49151, 65535]);
  });

  it("are none if they are all the same, or fewer than two are known: then it is round robin", () => {
    for (const weights of [[5, 5, 5], [], [1], [0, 0], [0, 7], [0, 0, 7], [3, 0, 3], [1e-300, 1e-300]]) {
      assert.equal(scaledWeights(weights), undefined, weights.join());
    }
  });

  it("are at least 1, and whole, for whatever numbers", () => {
    assert.deepEqual(scaled([1e300, 5e-324]), [65535, 1]);
    assert.deepEqual(scaled([Number.MAX_VALUE, Number.MAX_VALUE, 0, Number.MAX_VALUE / 2]), [
      65535,
      65535,
      54613,
      32768,
    ]);
    assert.deepEqual(scaled([5e-324, 1e-323]), [32768, 65535]);
  });
});

describe("the static stride scheduler", () => {
  it("picks as gRFC A58's does from the beginning of its sequence", () => {
    assert.deepEqual(picks([1, 2, 3], 12), [1, 2, 2, 0, 1, 2, 1, 2, 2, 0, 1, 2]);
    assert.deepEqual(picks([10, 1, 1], 19), [0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1]);
    assert.deepEqual(picks([1, 0, 3], 12), [1, 2, 2, 0, 1, 2, 1, 2, 2, 0, 1, 2]);
    assert.deepEqual(picks([0.1, 0.2, 0.3, 0.4], 20), [1, 2, 3, 2, 3, 1, 2, 3, 0, 3, 1, 2, 3, 2, 3, 1, 2, 3, 0, 3]);
  });

  it("is the formula of gRFC A58, for any weights and from any place", () => {
    const weights = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 2, maxLength: 50 });
    fc.assert(fc.property(weights, fc.nat(49), fc.nat(65_534), (weights, start, generation) => {
      const scaled = scaledWeights(weights);
      if (scaled === undefined) return;
      const n = weights.length, max = 65_535;
      const scheduler = new StrideScheduler(scaled, start % n, generation);
      let sequence = generation * n + start % n;
      for (let pick = 0; pick < 50; pick++) {
        let index: number;
        for (;;) {
          index = sequence % n;
          const turn = Math.floor(sequence++ / n);
          if ((scaled[index]! * turn + index * 32_767) % max >= max - scaled[index]!) break;
        }
        assert.equal(scheduler.next(), index);
      }
    }));
  });

  it("goes on from the generation that another one was in", () => {
    const weights = scaledWeights([1, 2, 3])!;
    const first = new StrideScheduler(weights, 0, 65_534);
    assert.equal(first.generation, 65_534);
    while (first.generation === 65_534) first.next();
    assert.equal(first.generation, 0);
    assert.equal(new StrideScheduler(weights, 0, 65_535).generation, 0);
  });

  it("picks each index within 1 % of its share of 100,000 picks", () => {
    for (const weights of [[9, 1, 1], [1, 2, 3], [100, 1, 1, 1], [5, 3, 2.5, 0.25], [1, 1.01]]) {
      const counts = weights.map(() => 0), sum = weights.reduce((a, b) => a + b);
      for (const index of picks(weights, 100_000)) counts[index]!++;
      weights.forEach((weight, i) => {
        const share = weight / sum * 100_000;
        assert.ok(Math.abs(counts[i]! - share) <= share * 0.01 + 2, `${weights}: ${counts}`);
      });
    }
  });
});
