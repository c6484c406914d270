import type { Plan } from "../plan/plan.ts";
import { simulate } from "../simulate.ts";

/** Whether a plan still breaks the same invariant. */
async function breaks(plan: Plan, invariant: string): Promise<boolean> {
  return (await simulate(plan)).failure?.invariant === invariant;
}

/** Makes a plan as small as it gets while it breaks an invariant: fewer faults, clients, servers. At most `most` runs. */
export async function shrink(plan: Plan, invariant: string, most: number = 200): Promise<Plan> {
  let smallest = plan, runs = 0;
  const attempt = async (smaller: Plan): Promise<boolean> => {
    if (runs++ >= most || !await breaks(smaller, invariant)) return false;
    smallest = smaller;
    return true;
  };
  // Halves of the faults, then quarters, down to single ones.
  for (let size = Math.ceil(plan.faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < smallest.faults.length;) {
      const { faults } = smallest;
      const without = [...faults.slice(0, at), ...faults.slice(at + size)];
      if (!await attempt({ ...smallest, faults: without })) at += size;
    }
  }
  for (const part of ["clients", "servers"] as const) {
    for (let at = smallest[part].length - 1; at >= 0 && smallest[part].length > 1; at--) {
      const left = smallest[part].filter((_, i) => i !== at);
      const gone = smallest[part][at]!, name = "name" in gone ? gone.name : gone.address;
      const faults = smallest.faults.filter(({ who }) => who !== name);
      await attempt({ ...smallest, [part]: left, faults });
    }
  }
  for (const change of [{ etcd: false }, { jitterMs: 0 }, { latencyMs: 1 }]) await attempt({ ...smallest, ...change });
  for (;;) {
    const durationMs = Math.round(smallest.durationMs / 2);
    if (durationMs < 10_000 || smallest.faults.some(({ untilMs }) => untilMs > durationMs)) break;
    if (!await attempt({ ...smallest, durationMs })) break;
  }
  return smallest;
}
