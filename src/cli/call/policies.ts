import { leastRequest } from "../../policy/least-request.ts";
import { peakEwma } from "../../policy/peak-ewma.ts";
import { pickFirst } from "../../policy/pick-first.ts";
import type { Policy } from "../../policy/policy.ts";
import { prequal } from "../../policy/prequal.ts";
import { random } from "../../policy/random.ts";
import { rendezvousHash } from "../../policy/rendezvous-hash.ts";
import { ringHash } from "../../policy/ring-hash.ts";
import { roundRobin } from "../../policy/round-robin.ts";
import { weightedRoundRobin } from "../../policy/weighted-round-robin.ts";

/** The policies by the names that `--policy` takes. */
const MAKERS: Readonly<Record<string, () => Policy>> = {
  weightedRoundRobin,
  roundRobin,
  leastRequest,
  peakEwma,
  prequal,
  random,
  pickFirst,
  ringHash,
  rendezvousHash,
};

/** The names that `--policy` takes; the first one is the default. */
export const POLICY_NAMES: readonly string[] = Object.keys(MAKERS);

/** The policy of a name, with its defaults. */
export function policyNamed(name: string): Policy {
  return MAKERS[name]!();
}
