// Runs scenarios of the registry. `npm run test:chaos` does that, too.
import process from "node:process";
import { commandLine } from "../../support/command-line.ts";
import type { Runtime } from "../../support/process.ts";
import { RUNTIMES } from "../environment.ts";
import { DRIVERS } from "./lab.ts";
import type { Driver } from "./message.ts";
import { writeRegistryReport } from "./report.ts";
import { countBroken, runRegistry } from "./run.ts";
import { scenarios } from "./scenarios.ts";

const HELP = `node test/chaos/registry/main.ts [--quick] [--runtimes NAME,…] [--drivers NAME,…] [SCENARIO …]

Runs scenarios of the registry on each runtime, over each driver. A whole run writes its table into docs/reliability.md.

  SCENARIO     of ${scenarios.map(({ name }) => name).join(", ")}; default: all
  --quick      shorter forms of them
  --runtimes   default: ${RUNTIMES}
  --drivers    default: ${DRIVERS}`;

const { values, positionals } = commandLine(HELP, {
  options: { quick: { type: "boolean", default: false }, runtimes: { type: "string" }, drivers: { type: "string" } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !scenarios.some((scenario) => scenario.name === name));
if (unknown.length > 0) throw new Error(`no scenario ${unknown}: expected ${scenarios.map(({ name }) => name)}`);

// So that the processes it started end, too.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const results = await runRegistry({
  runtimes: (values.runtimes?.split(",") ?? RUNTIMES) as readonly Runtime[],
  drivers: (values.drivers?.split(",") ?? DRIVERS) as readonly Driver[],
  scenarios: positionals.length === 0 ? scenarios : scenarios.filter(({ name }) => positionals.includes(name)),
  quick: values.quick,
});
const whole = positionals.length === 0 && !values.quick && values.runtimes === undefined &&
  values.drivers === undefined;
if (whole) writeRegistryReport(results, RUNTIMES);
const { broken, all } = countBroken(results);
console.log(`\n${all - broken} hold, ${broken} do not`);
// Not `exitCode`: what a failed scenario left open must not hold this program.
process.exit(broken === 0 ? 0 : 1);
