// Looks for the first seed that breaks an invariant, and prints after each seed how far it is, as JSON.
// search.ts <first seed> <last seed> <seconds of one core>
import "../guard/globals.ts";
import { planFor } from "../plan/plan-for.ts";
import { simulate } from "../simulate.ts";
import { type Found, trafficOf } from "./look-for.ts";

const [first = 1, last = 10_000, seconds = 60] = process.argv.slice(2).map(Number);
const cpuMs = () => (process.cpuUsage().user + process.cpuUsage().system) / 1_000;
const startedMs = cpuMs();
let virtualMs = 0;
for (let seed = first;; seed++) {
  const { failure, virtualMs: ms } = await simulate(planFor(seed, trafficOf(seed)));
  virtualMs += ms;
  const found: Found = {
    seed,
    invariant: failure?.invariant,
    what: failure?.what,
    virtualMs,
    realMs: cpuMs() - startedMs,
  };
  // Not `console.log`, which may be lost at the exit.
  await new Promise((resolve) => process.stdout.write(`${JSON.stringify(found)}\n`, resolve));
  // What a broken world leaves behind may go on for as long as it likes.
  if (failure !== undefined || seed >= last || found.realMs >= 1_000 * seconds) process.exit();
}
