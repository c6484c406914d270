import type { FaultPlan } from "../plan/plan.ts";
import type { World } from "../world/world.ts";

/** A kind of fault. To add one: a file that exports it, and its name in `faults.ts`. */
export interface Fault {
  readonly kind: string;
  /** Whom it can hit. */
  readonly hits: "server" | "client" | "etcd" | "dns";
  /** Begins it. The returned function, if any, ends it at the plan's time. */
  begin(world: World, plan: FaultPlan): (() => void) | void;
}
