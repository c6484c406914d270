// Looks for the first seed that breaks an invariant, and prints what it found as JSON.
// search.ts <first seed> <last seed> <seconds of one core>
import "../guard/globals.ts";
import { planOf } from "../plan/plan-of-seed.ts";
import { simulate } from "../simulate.ts";

/** What a search found, and what it took. */
export interface Found {
  readonly seed: number;
  /** Undefined: all held. */
  readonly invariant: string | undefined;
  readonly what: string | undefined;
  readonly virtualMs: number;
  /** Of one core, however busy the machine is. */
  readonly realMs: number;
}

const [first = 1, last = 10_000, seconds = 60] = process.argv.slice(2).map(Number);
const cpuMs = () => (process.cpuUsage().user + process.cpuUsage().system) / 1_000;
const startedMs = cpuMs();
let virtualMs = 0;
for (let seed = first;; seed++) {
  const { failure, virtualMs: ms } = await simulate(planOf(seed));
  virtualMs += ms;
  const realMs = cpuMs() - startedMs;
  if (failure === undefined && seed < last && realMs < 1_000 * seconds) continue;
  const found: Found = { seed, invariant: failure?.invariant, what: failure?.what, virtualMs, realMs };
  console.log(JSON.stringify(found));
  // What a broken world leaves behind may go on for as long as it likes.
  process.exit();
}
