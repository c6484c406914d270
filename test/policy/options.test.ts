import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { leastRequest } from "../../src/policy/least-request.ts";
import { peakEwma } from "../../src/policy/peak-ewma.ts";
import { preferZone } from "../../src/policy/prefer-zone.ts";
import { prequal } from "../../src/policy/prequal.ts";
import { rendezvousHash } from "../../src/policy/rendezvous-hash.ts";
import { ringHash } from "../../src/policy/ring-hash.ts";
import { slowStart } from "../../src/policy/slow-start.ts";
import { subset } from "../../src/policy/subset.ts";
import { type LoadReportWeightOptions, weightedRoundRobin } from "../../src/policy/weighted-round-robin.ts";

/** What was made, and the least and the greatest values that it takes, and values beyond. */
type Case = [what: string, make: (value: number) => unknown, taken: readonly number[], refused: readonly number[]];

const least = Number.MIN_VALUE, greatest = Number.MAX_VALUE;

const byReports = (options: LoadReportWeightOptions) => weightedRoundRobin({ loadReports: options });

const CASES: readonly Case[] = [
  ["leastRequest: choices", (choices) => leastRequest({ choices }), [2, 1e9], [1, 2.5, Infinity, NaN]],
  ["peakEwma: decayMs", (decayMs) => peakEwma({ decayMs }), [least, greatest], [0, NaN]],
  ["peakEwma: penaltyMs", (penaltyMs) => peakEwma({ penaltyMs }), [0, greatest], [-least, NaN]],
  ["preferZone: clients", (a) => preferZone({ zone: "a", clients: { a, b: 1 } }), [0, greatest], [
    -least,
    Infinity,
    NaN,
  ]],
  ["prequal: maxAgeMs", (maxAgeMs) => prequal({ maxAgeMs }), [least, greatest], [0, NaN]],
  [
    "prequal: maxProbesPerSecond",
    (maxProbesPerSecond) => prequal({ maxProbesPerSecond }),
    [least, greatest],
    [0, Infinity, NaN],
  ],
  ["prequal: minServers", (minServers) => prequal({ minServers }), [1, 1e9], [0, 1.5, NaN]],
  ["rendezvousHash: boundedLoad", (boundedLoad) => rendezvousHash({ boundedLoad }), [1, greatest], [1 - 1e-9, NaN]],
  [
    "ringHash: minRingSize",
    (minRingSize) => ringHash({ minRingSize, maxRingSize: 8_388_608 }),
    [1, 8_388_608],
    [0, 1.5, NaN],
  ],
  ["ringHash: maxRingSize", (maxRingSize) => ringHash({ maxRingSize }), [1, 8_388_608], [0, 8_388_609, 1.5, NaN]],
  ["slowStart: windowMs", (windowMs) => slowStart({ windowMs }), [least, greatest], [0, NaN]],
  ["slowStart: aggression", (aggression) => slowStart({ aggression }), [least, greatest], [0, Infinity, NaN]],
  ["slowStart: minShare", (minShare) => slowStart({ minShare }), [least, 1 - 1e-9], [0, 1, NaN]],
  ["subset: size", (size) => subset({ size }), [1, 1e9], [0, 1.5, NaN]],
  [
    "loadReports: outOfBandPeriodMs",
    (outOfBandPeriodMs) => byReports({ outOfBandPeriodMs }),
    [least, 1e9],
    [0, Infinity, NaN],
  ],
  ["loadReports: blackoutPeriodMs", (blackoutPeriodMs) => byReports({ blackoutPeriodMs }), [0, 1e9], [-least, NaN]],
  [
    "loadReports: expirationPeriodMs",
    (expirationPeriodMs) => byReports({ expirationPeriodMs }),
    [least, Infinity],
    [0, NaN],
  ],
  ["loadReports: updatePeriodMs", (updatePeriodMs) => byReports({ updatePeriodMs }), [100, 1e9], [100 - 1e-9, NaN]],
  [
    "loadReports: errorUtilizationPenalty",
    (errorUtilizationPenalty) => byReports({ errorUtilizationPenalty }),
    [0, greatest],
    [-least, Infinity, NaN],
  ],
];

describe("an option of a policy", () => {
  for (const [what, make, taken, refused] of CASES) {
    it(`is taken up to its bounds, and refused beyond: ${what}`, () => {
      for (const value of taken) assert.equal(typeof make(value), "function", `${value}`);
      for (const value of refused) assert.throws(() => make(value), /^(Range|Type)Error: /, `${value}`);
    });
  }

  it("counts clients in one zone at least", () => {
    assert.throws(() => preferZone({ zone: "a", clients: {} }), /^TypeError: option clients/);
    assert.throws(() => preferZone({ zone: "a", clients: { a: 0, b: 0 } }), /^TypeError: option clients/);
    for (const clients of [null, 5, { a: "1" }]) {
      assert.throws(() => preferZone({ zone: "a", clients: clients as never }), /^TypeError: option clients/);
    }
    assert.equal(typeof preferZone({ zone: "a", clients: { a: 0, b: 1 } }), "function");
  });
});
