import { withHeavyTraffic } from "./heavy-traffic.ts";
import { narrowPlanOf } from "./narrow.ts";
import type { Plan } from "./plan.ts";
import { planOf } from "./plan-of-seed.ts";

/** What happens with a seed and an option of the command: none, `--busy`, `--heavy` or `--narrow`. */
export function planFor(seed: number, traffic: string): Plan {
  if (traffic === "--heavy") return withHeavyTraffic(planOf(seed, { busy: true }));
  if (traffic === "--narrow") return narrowPlanOf(seed);
  return planOf(seed, { busy: traffic === "--busy" });
}
