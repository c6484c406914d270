// Looks for the first seed that breaks an invariant, from 1 on; prints a row's cells.
import { runtime } from "../guard/globals.ts";
import { planOf } from "../plan/plan-of-seed.ts";
import { simulate } from "../simulate.ts";

const startedMs = runtime.now(), endMs = startedMs + Number(process.argv[2]) * 1_000;
const seconds = () => `${((runtime.now() - startedMs) / 1_000).toFixed(1)} s`;
let virtualMs = 0, seed = 0;
for (;;) {
  const { failure, virtualMs: ms } = await simulate(planOf(++seed));
  virtualMs += ms;
  const cells = [seed, `${(virtualMs / 3_600_000).toFixed(1)} h`, seconds()].join(" | ");
  if (failure !== undefined) console.log(`${failure.invariant} | ${cells}`);
  else if (runtime.now() > endMs) console.log(`not found | ${cells}`);
  else continue;
  process.exit();
}
