// Runs scenarios of the registry, named as arguments (default: all), on the runtimes and over the drivers:
// `main.ts [--quick] [--runtimes=node,bun,deno] [--drivers=connect,etcd3] killed-briefly …`
import process from "node:process";
import { parseArgs } from "node:util";
import type { Runtime } from "../../support/process.ts";
import { RUNTIMES } from "../environment.ts";
import { showFigure } from "../scenario.ts";
import { DRIVERS, runScenario } from "./lab.ts";
import type { Driver } from "./message.ts";
import { scenarios } from "./scenarios.ts";

const { values, positionals } = parseArgs({
  options: { quick: { type: "boolean" }, runtimes: { type: "string" }, drivers: { type: "string" } },
  allowPositionals: true,
});
const runtimes = (values.runtimes?.split(",") ?? RUNTIMES) as readonly Runtime[];
const drivers = (values.drivers?.split(",") ?? DRIVERS) as readonly Driver[];
const unknown = positionals.filter((name) => !scenarios.some((scenario) => scenario.name === name));
if (unknown.length > 0) throw new Error(`no scenario ${unknown}: expected ${scenarios.map(({ name }) => name)}`);

for (const scenario of scenarios) {
  if (positionals.length > 0 && !positionals.includes(scenario.name)) continue;
  for (const outcome of await runScenario(scenario, runtimes, drivers, values.quick === true)) {
    const { runtime, driver, figures, broken, tookMs } = outcome;
    const verdict = broken.length === 0 ? "holds" : "BROKEN";
    console.log(`${scenario.name} ${driver} ${runtime}: ${verdict} (${(tookMs / 1_000).toFixed(1)} s)`);
    console.log(`    ${figures.map(showFigure).join("; ")}`);
    for (const why of broken) console.log(`  ! ${why}`);
    if (broken.length > 0) process.exitCode = 1;
  }
}
