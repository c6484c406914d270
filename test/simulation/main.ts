// Simulates new seeds for a minute, or one again:
// npm run simulate -- [--seconds 60] [--seed N | --plan FILE] [--trace] [--shrink]
import { runtime } from "./guard/globals.ts";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Plan } from "./plan/plan.ts";
import { planOf } from "./plan/plan-of-seed.ts";
import { shrink } from "./shrink/shrink.ts";
import { simulate } from "./simulate.ts";

const { values } = parseArgs({
  options: {
    plan: { type: "string" },
    seed: { type: "string" },
    seconds: { type: "string", default: "60" },
    shrink: { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
  },
});

const startedMs = runtime.now();
let runs = 0, virtualMs = 0, calls = 0, faults = 0;
const one = async (plan: Plan, again: string) => {
  const { seed } = plan, result = await simulate(plan, { traced: values.trace });
  runs++;
  virtualMs += result.virtualMs;
  calls += result.calls;
  faults += result.plan.faults.length;
  for (const line of result.lines ?? []) console.log(line);
  if (values.seed !== undefined || values.plan !== undefined) {
    console.log(
      `seed ${seed}: ${result.calls} calls, ${result.succeeded} succeeded, ${result.events} events, trace ${result.hash}`,
    );
  }
  if (result.failure === undefined) return;
  const { invariant, what, atMs } = result.failure;
  console.log(`seed ${seed}: ${invariant} is broken after ${Math.round(atMs)} ms: ${what}`);
  console.log(`play it again: npm run simulate -- ${again} --trace`);
  process.exitCode = 1;
  if (!values.shrink) return;
  console.log("for a file in test/simulation/regressions, which the suite plays:");
  console.log(JSON.stringify(await shrink(result.plan, invariant)));
};
if (values.plan !== undefined) {
  await one(JSON.parse(readFileSync(values.plan, "utf8")) as Plan, `--plan ${values.plan}`);
} else if (values.seed !== undefined) {
  await one(planOf(Number(values.seed)), `--seed ${values.seed}`);
} else {
  const first = Math.floor(Math.random() * 2 ** 31), endMs = startedMs + Number(values.seconds) * 1_000;
  console.log(`seeds from ${first}`);
  for (let seed = first; runtime.now() < endMs; seed++) await one(planOf(seed), `--seed ${seed}`);
}
const realMs = runtime.now() - startedMs;
console.log(`${runs} runs, ${calls} calls, ${faults} faults; ${Math.round(virtualMs / realMs)} × real time`);
