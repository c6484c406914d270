import {
  type EjectOutliersOptions,
  hedging,
  leastRequest,
  peakEwma,
  type Policy,
  prequal,
  roundRobin,
  weightedRoundRobin,
} from "../../src/index.ts";
import type { Contender } from "./model/shape.ts";

/** What a program gets that says nothing. */
export const DEFAULTS: Contender = { name: "defaults", options: () => ({}) };

const contender = (name: string, policy: () => Policy): Contender => ({ name, options: () => ({ policy: policy() }) });

/** The policies with their defaults. */
export const POLICIES: readonly Contender[] = [
  contender("round robin", roundRobin),
  contender("by load reports", () => weightedRoundRobin({ loadReports: {} })),
  contender("least request", leastRequest),
  contender("peak EWMA", peakEwma),
  contender("prequal", prequal),
];

/** Ejects at the second failure in a row, but not for long. */
const QUICK: EjectOutliersOptions = {
  consecutiveFailures: { failures: 2, baseEjectionMs: 2_000 },
  failurePercentage: { threshold: 30, requestVolume: 5 },
  intervalMs: 1_000,
  baseEjectionMs: 5_000,
};

/** Ejects as quickly, for few failures, and for as long as these faults last. */
const LONG: EjectOutliersOptions = {
  consecutiveFailures: { failures: 2, baseEjectionMs: 30_000 },
  failurePercentage: { threshold: 10, requestVolume: 5 },
  intervalMs: 2_000,
  baseEjectionMs: 30_000,
};

/** What is tried by hand for fleets that fail: each policy with other settings of ejection. */
export const TUNED_FAILING: readonly Contender[] = [
  ...Object.entries<EjectOutliersOptions | false>({ "not ejected": false, quick: QUICK, long: LONG })
    .flatMap(([settings, ejectOutliers]) =>
      POLICIES.filter(({ name }) => name !== "by load reports").map(({ name, options }): Contender => ({
        name: `${name}: ${settings}`,
        options: () => ({ ...options(), ejectOutliers }),
      }))
    ),
];

/** What is tried by hand for fleets that are slow: the policies with other options. */
export const TUNED_SLOW: readonly Contender[] = [
  { name: "weights", options: () => ({}), weights: true },
  contender("by load reports: 2 s", () => weightedRoundRobin({ loadReports: { blackoutPeriodMs: 2_000 } })),
  contender("least request: of 5", () => leastRequest({ choices: 5 })),
  { name: "least request: weights", options: () => ({ policy: leastRequest() }), weights: true },
  contender("peak EWMA: 2 s", () => peakEwma({ decayMs: 2_000 })),
  contender("peak EWMA: 0.5 s", () => peakEwma({ decayMs: 500 })),
  contender("prequal: 0.2 s", () => prequal({ maxAgeMs: 200 })),
  contender("prequal, else EWMA", () => prequal({ otherwise: peakEwma() })),
];

/** Round robin without and with hedging, with its defaults. */
export const HEDGING: readonly Contender[] = [
  contender("round robin", roundRobin),
  { name: "hedging", options: () => ({ policy: roundRobin(), hedge: hedging() }) },
];

const ALL = [DEFAULTS, ...POLICIES, ...TUNED_FAILING, ...TUNED_SLOW, ...HEDGING];

/** @throws Error for an unknown name. */
export function contenderNamed(name: string): Contender {
  const found = ALL.find((contender) => contender.name === name);
  if (found === undefined) {
    throw new Error(`no contender ${name}: ${[...new Set(ALL.map((contender) => contender.name))].join(", ")}`);
  }
  return found;
}
