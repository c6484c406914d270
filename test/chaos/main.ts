// `npm run test:chaos`: every scenario with the client on each runtime. Fails if a bound does not hold.
import process from "node:process";
import { execFileSync } from "node:child_process";
import { commandLine } from "../support/command-line.ts";
import { executable, root, type Runtime } from "../support/process.ts";
import { RUNTIMES } from "./environment.ts";
import { writeReport } from "./report.ts";
import { writeRegistryReport } from "./registry/report.ts";
import { countBroken, runRegistry } from "./registry/run.ts";
import { runClient } from "./run-client.ts";
import { type Outcome, showFigure } from "./scenario.ts";
import { proxyScenarios, scenarios as clientScenarios } from "./scenarios.ts";

const USAGE = `Plays failures to a client on each runtime and checks what callers notice of them.

  npm run test:chaos [-- options]

  --only <name,…>      only these scenarios: ${clientScenarios.map(({ name }) => name).join(", ")}
  --runtime <name,…>   only with the client on these: ${RUNTIMES.join(", ")}
  --through-proxy      plays failures to the proxy on each runtime instead, and checks what clients in Go and Python
                       notice, whose calls go through it; its scenarios:
                       ${proxyScenarios.map(({ name }) => name).join(", ")}
  --quick              shorter forms of them, as in npm test
  --help               prints this

A whole run writes its figures into docs/reliability.md; one with options only prints them.`;

const { values: options } = commandLine(USAGE, {
  options: {
    only: { type: "string" },
    runtime: { type: "string" },
    "through-proxy": { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
});

const throughProxy = options["through-proxy"];
const scenarios = throughProxy ? proxyScenarios : clientScenarios;
const runtimes = chosen("runtime", RUNTIMES, (runtime) => runtime, options.runtime);
const wanted = chosen("scenario", scenarios, ({ name }) => name, options.only);
const results = wanted.map((scenario) => ({ scenario, outcomes: new Map<Runtime, Outcome>() }));
const whole = options.only === undefined && options.runtime === undefined && !options.quick;
let broken = 0;
for (const runtime of runtimes) {
  console.log(`\n── ${throughProxy ? "proxy" : "client"} on ${runtime}\n`);
  // Its place in `wanted`.
  let at = 0;
  for await (const outcome of runClient(runtime, wanted, { quick: options.quick, throughProxy })) {
    results[at++]!.outcomes.set(runtime, outcome);
    print(outcome);
    if (outcome.broken.length > 0) broken++;
  }
}
const versions = runtimes.map((runtime) => `${runtime} ${version(runtime)}`);
if (whole) writeReport(throughProxy ? "proxy" : "client", results, runtimes, versions);
// The registry's scenarios run with all runtimes at once; test/chaos/registry/main.ts runs single ones.
const registry = options.only === undefined && !throughProxy
  ? await runRegistry({ runtimes, quick: options.quick })
  : [];
const registryCount = countBroken(registry);
if (whole) {
  if (!throughProxy) writeRegistryReport(registry, runtimes);
  // Written pages are held to the same form as all others.
  execFileSync(executable("deno"), ["fmt", "--quiet", "docs/reliability.md"], { cwd: root, stdio: "inherit" });
  console.log("\nThe figures are in docs/reliability.md.");
}
broken += registryCount.broken;
console.log(`\n${results.length * runtimes.length + registryCount.all - broken} hold, ${broken} do not`);
// Not `exitCode`: what a failed scenario left open must not hold this program.
process.exit(broken === 0 ? 0 : 1);

function print({ scenario, figures, broken, details, tookMs }: Outcome): void {
  const seconds = Number.isNaN(tookMs) ? "" : ` (${(tookMs / 1_000).toFixed(1)} s)`;
  console.log(`${broken.length === 0 ? "✔" : "✘"} ${scenario}${seconds}: ${figures.map(showFigure).join(" · ")}`);
  for (const why of broken) console.log(`    ${why}`);
  if (!whole) { for (const [name, value] of details) console.log(`    ${name}: ${value}`); }
}

function chosen<T>(
  what: string,
  all: readonly T[],
  nameOf: (one: T) => string,
  list: string | undefined,
): readonly T[] {
  if (list === undefined) return all;
  const names = list.split(",");
  const unknown = names.filter((name) => !all.some((one) => nameOf(one) === name));
  if (unknown.length > 0) {
    console.error(`no ${what} "${unknown.join(", ")}": expected ${all.map(nameOf).join(", ")}`);
    process.exit(2);
  }
  return all.filter((one) => names.includes(nameOf(one)));
}

function version(runtime: Runtime): string {
  const text = execFileSync(executable(runtime), ["--version"], { encoding: "utf8" });
  return /\d+\.\d+\.\d+/.exec(text)?.[0] ?? "";
}
