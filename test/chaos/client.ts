// Runs scenarios, named as arguments, on the runtime that runs this: `client.ts [--quick] kill freeze …`.
// Each ends with a line "outcome {…}".
import process from "node:process";
import { parseArgs } from "node:util";
import { Environment } from "./environment.ts";
import type { Outcome, Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";

const { values, positionals } = parseArgs({ options: { quick: { type: "boolean" } }, allowPositionals: true });
// Started with its standard input open: its end means that whoever wanted the outcome is gone.
process.stdin.on("end", () => process.exit(1)).resume();

for (const name of positionals) {
  const scenario = scenarios.find((one) => one.name === name);
  if (scenario === undefined) {
    throw new Error(`no scenario "${name}": expected ${scenarios.map((s) => s.name).join(", ")}`);
  }
  console.log(`outcome ${JSON.stringify(await run(scenario, values.quick === true))}`);
}
process.exit(0);

async function run(scenario: Scenario, quick: boolean): Promise<Outcome> {
  const startMs = performance.now();
  const environment = new Environment(quick);
  const { figures } = environment;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await Promise.race([
      scenario.run(environment),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`it took over ${scenario.limitMs} ms`)), scenario.limitMs);
      }),
    ]);
  } catch (error) {
    figures.fail(`${(error as Error)?.stack ?? error}`);
  }
  clearTimeout(timer);
  await environment.end();
  return {
    scenario: scenario.name,
    figures: figures.figures,
    broken: figures.broken,
    details: figures.details,
    tookMs: performance.now() - startMs,
  };
}
