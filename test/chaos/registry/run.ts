import type { Runtime } from "../../support/process.ts";
import { showFigure } from "../scenario.ts";
import { DRIVERS, type RegistryOutcome, type RegistryScenario, runScenario } from "./lab.ts";
import type { Driver } from "./message.ts";
import { scenarios } from "./scenarios.ts";

/** What to run. */
export interface Plan {
  readonly runtimes: readonly Runtime[];
  readonly drivers?: readonly Driver[];
  readonly scenarios?: readonly RegistryScenario[];
  readonly quick?: boolean;
}

/** A scenario and what became of it for each subject. */
export interface Result {
  readonly scenario: RegistryScenario;
  readonly outcomes: readonly RegistryOutcome[];
}

/** Runs scenarios one after another, each with all runtimes and drivers at once; prints what each gave. */
export async function runRegistry(plan: Plan): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const scenario of plan.scenarios ?? scenarios) {
    const outcomes = await runScenario(scenario, plan.runtimes, plan.drivers ?? DRIVERS, plan.quick === true);
    results.push({ scenario, outcomes });
    console.log(`\n${scenario.name} (${((outcomes[0]?.tookMs ?? NaN) / 1_000).toFixed(1)} s): ${scenario.title}`);
    for (const { runtime, driver, figures, broken } of outcomes) {
      const mark = broken.length === 0 ? "✔" : "✘";
      console.log(`  ${mark} ${driver} on ${runtime}: ${figures.map(showFigure).join(" · ")}`);
      for (const why of broken) console.log(`      ${why}`);
    }
  }
  return results;
}

/** How many outcomes have bounds that do not hold, and how many there are. */
export function countBroken(results: readonly Result[]): { readonly broken: number; readonly all: number } {
  const outcomes = results.flatMap(({ outcomes }) => outcomes);
  return { broken: outcomes.filter(({ broken }) => broken.length > 0).length, all: outcomes.length };
}
