import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { registeredWeights } from "../../src/policy/registered-weights.ts";
import { weighted } from "../support/fake-connections.ts";

describe("registeredWeights", () => {
  const cases: [string, (number | undefined)[], number[] | undefined][] = [
    ["nothing where there are none", [undefined, undefined], undefined],
    ["nothing where all are the same", [5, 5, 5], undefined],
    ["nothing where those that are given are the same", [5, undefined, 5], undefined],
    ["nothing for one, or none", [7], undefined],
    ["nothing of nothing", [], undefined],
    ["what is given", [1, 2, 5], [1, 2, 5]],
    ["what differs last", [1, 1, 5], [1, 1, 5]],
    ["the mean for what is not given", [1, undefined, 5], [1, 3, 5]],
    ["the mean also for the first", [undefined, 1, 5], [3, 1, 5]],
    ["what is within reason", [1, 2, 2, 2, 1e9], [1, 2, 2, 2, 200]],
  ];
  for (const [what, weights, expected] of cases) {
    it(`gives ${what}`, () => assert.deepEqual(registeredWeights(weighted(weights)), expected));
  }
});
