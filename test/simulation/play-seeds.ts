// Plays seeds, and prints what each came to, as JSON. Ended by whoever started it, or after the last seed.
// play-seeds.ts <first seed> <step> <last seed> [<--busy, --heavy or --narrow>]
import "./guard/globals.ts";
import process from "node:process";
import { planFor } from "./plan/plan-for.ts";
import { simulate } from "./simulate.ts";
import { playedOf } from "./totals.ts";

const [first, step, last] = process.argv.slice(2, 5).map(Number), traffic = process.argv[5] ?? "";
for (let seed = first!; seed <= last!; seed += step!) {
  const played = playedOf(await simulate(planFor(seed, traffic)));
  // Not `console.log`, which may be lost at the exit.
  await new Promise((resolve) => process.stdout.write(`${JSON.stringify(played)}\n`, resolve));
}
process.exit();
