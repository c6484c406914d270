import { withHeavyTraffic } from "./heavy-traffic.ts";
import type { Plan } from "./plan.ts";
import { planOf } from "./plan-of-seed.ts";

/** What happens with a seed and an option of the command: none, `--busy` or `--heavy`. */
export function planFor(seed: number, traffic: string): Plan {
  if (traffic === "--heavy") return withHeavyTraffic(planOf(seed, { busy: true }));
  return planOf(seed, { busy: traffic === "--busy" });
}
