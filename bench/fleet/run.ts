// Compares policies on fleets: simulated, over the library's own code; or real, of six processes. It writes tables and
// charts into docs/policies.md.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { commandLine } from "../../test/support/command-line.ts";
import { executable } from "../../test/support/process.ts";
import { contenderNamed } from "./contenders.ts";
import { runJobs } from "./jobs.ts";
import type { Result } from "./model/shape.ts";
import { jobsOf } from "./plan.ts";
import { runReal } from "./real/run.ts";
import { printFleet, printReal, writeFleet, writeReal } from "./report.ts";
import { rowOf } from "./row.ts";
import { shapeNamed } from "./shapes.ts";
import { type FleetVerdict, judge } from "./targets.ts";

const HELP = `npm run bench:fleet                everything that is simulated, under 10 minutes
npm run bench:fleet -- --quick     the most important of it, under a minute
npm run bench:fleet -- --real      five servers and a client in real time, under 3 minutes
  --shapes=20x20,gray --contenders=prequal --seeds=3     only these, or means of several seeds; writes no files
  --check                          exits with 1 if a target was not met
`;

const { values } = commandLine(HELP, {
  options: {
    quick: { type: "boolean", default: false },
    real: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    shapes: { type: "string" },
    contenders: { type: "string" },
    seeds: { type: "string" },
  },
});
const started = performance.now();
const log = (line: string) =>
  console.error(`${((performance.now() - started) / 1_000).toFixed(0).padStart(4)} s  ${line}`);
const { quick } = values;
const shapes = values.shapes?.split(","), contenders = values.contenders?.split(",");
// Unknown names are refused before anything takes time.
shapes?.forEach(shapeNamed);
contenders?.forEach(contenderNamed);
const filtered = shapes !== undefined || contenders !== undefined || values.seeds !== undefined;

const verdicts = values.real ? await real() : await simulated();
process.exit(values.check && verdicts.some(({ met }) => met === false) ? 1 : 0);

async function simulated(): Promise<readonly FleetVerdict[]> {
  const seeds = Number(values.seeds ?? 1);
  const jobs = jobsOf({ quick, shapes, contenders, seeds });
  const results = new Map<string, Result[]>();
  let done = 0;
  await runJobs(jobs, ({ shape, contender, seed }, { result, tookMs }) => {
    const key = `${shape}\n${contender}`;
    const of = results.get(key) ?? [];
    of[seed - 1] = result;
    results.set(key, of);
    log(`${++done} of ${jobs.length}: ${shape}, ${contender}, seed ${seed}: ${(tookMs / 1_000).toFixed(1)} s`);
  });
  const rows = [...results]
    .map(([key, results]) => rowOf(...key.split("\n") as [string, string], results))
    // Whichever worker was faster.
    .sort((a, b) => order(a) - order(b));
  const report = { rows, verdicts: judge(rows), seeds, quick };
  printFleet(report);
  if (!filtered) {
    writeFileSync(new URL("../results/fleet.json", import.meta.url), `${JSON.stringify(rows, null, 2)}\n`);
    writeFleet(report);
    format();
  }
  return report.verdicts;

  function order({ shape, contender }: { shape: string; contender: string }): number {
    return jobs.findIndex((job) => job.shape === shape && job.contender === contender);
  }
}

async function real(): Promise<readonly FleetVerdict[]> {
  const named = contenders ?? ["round robin", "least request", "peak EWMA", "prequal"];
  const report = await runReal(named, quick, log);
  printReal(report);
  if (!filtered) {
    writeReal(report);
    format();
  }
  return report.verdicts;
}

/** Written pages are held to the same form as all others. */
function format(): void {
  const cwd = fileURLToPath(new URL("../../", import.meta.url));
  execFileSync(executable("deno"), ["fmt", "--quiet", "docs/policies.md"], { cwd, stdio: "inherit" });
}
