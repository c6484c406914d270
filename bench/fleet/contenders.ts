import { type Policy, roundRobin } from "../../src/index.ts";
import type { Contender } from "./model/shape.ts";

/** What a program gets that says nothing. */
export const DEFAULTS: Contender = { name: "defaults", options: () => ({}) };

function policy(name: string, make: () => Policy): Contender {
  return { name, options: () => ({ policy: make() }) };
}

/** The policies with their defaults. */
export const POLICIES: readonly Contender[] = [
  policy("round robin", () => roundRobin()),
];

/** What is tried by hand for fleets that fail: policies, each with other settings of ejection. */
export const TUNED_FAILING: readonly Contender[] = [];

/** What is tried by hand for fleets that are slow. */
export const TUNED_SLOW: readonly Contender[] = [];

/** Round robin without and with hedging, with its defaults. */
export const HEDGING: readonly Contender[] = [
  policy("round robin", () => roundRobin()),
  { name: "hedging", options: () => ({ policy: roundRobin(), hedge: {} }) },
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
