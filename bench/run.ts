// Compares this library with its peers; see docs/performance.md, which it writes.
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import process from "node:process";
import { commandLine } from "../test/support/command-line.ts";
import { executable } from "../test/support/process.ts";
import { CASES } from "./case.ts";
import type { Micro } from "./micro/run.ts";
import { type Runtime, RUNTIMES, startBackends, startScript, versionOf } from "./process.ts";
import { printTable, writeDocument } from "./report.ts";
import { casesNamed, type Plan, runRounds } from "./rounds.ts";
import type { Row } from "./row.ts";
import { judge } from "./target.ts";

const CONTENDERS = ["connect-lb", "connect-lb-direct", "grpc-js", "nice-grpc", "connect-node", "bare"];

const HELP = `npm run bench -- [--quick] [--check]
npm run bench -- [--runtimes NAME,…] [--contenders NAME,…] [--cases NAME,…] [--rounds N]

Compares this library with its peers, and writes docs/performance.md; with one of the options of the second line it
writes nothing.

  --quick        the cases that targets speak of, under 2 minutes; default: everything, under 15
  --check        ends with code 1 if a target was not met
  --runtimes     default: ${RUNTIMES}
  --contenders   default: ${CONTENDERS}
  --cases        of ${CASES.map(({ name }) => name).join(", ")}
  --rounds N     default: 9, or 3 with --quick`;

const { values } = commandLine(HELP, {
  options: {
    quick: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    runtimes: { type: "string" },
    contenders: { type: "string" },
    cases: { type: "string" },
    rounds: { type: "string" },
  },
});
const filtered = values.runtimes !== undefined || values.contenders !== undefined || values.cases !== undefined ||
  values.rounds !== undefined;
const runtimes = (values.runtimes?.split(",") ?? RUNTIMES) as readonly Runtime[];
const cases = values.cases === undefined && values.quick
  ? CASES.filter((c) => c.quick)
  : casesNamed(values.cases?.split(","));
const plan: Plan = {
  rounds: values.rounds === undefined ? (values.quick ? 3 : 9) : Number(values.rounds),
  measureMs: values.quick ? 150 : 300,
  warmUpMs: values.quick ? 150 : 400,
  turns: values.quick ? 15 : 20,
  turnMs: 100,
  cases,
  contenders: values.contenders?.split(",") ?? CONTENDERS,
  heapCases: cases.filter((c) =>
    c.openLoopOf === undefined && c.takeTurns === undefined && (!values.quick || c.name === "unary-16B-c64")
  ),
};

const started = performance.now();
const log = (line: string) =>
  console.log(`${((performance.now() - started) / 1_000).toFixed(0).padStart(4)} s  ${line}`);
const backends = await startBackends(3);
const rows: Row[] = [], failures: string[] = [];
const micros = new Map<Runtime, Micro>();
try {
  const capacity = await capacityOfBackends();
  log(`the three backends answer ${Math.round(capacity).toLocaleString("en")} unary calls/s`);
  for (const runtime of runtimes) {
    const result = await runRounds(runtime, backends.addresses, plan, log);
    rows.push(...result.rows);
    failures.push(...result.failures);
    if (values.cases === undefined && plan.contenders.includes("connect-lb")) {
      log(`${runtime}: micro`);
      const micro = startScript(runtime, "micro/run.ts", [JSON.stringify(backends.addresses)], "collectable");
      const answer = await micro.next<Micro>(60_000);
      if ("error" in answer) failures.push(`micro on ${runtime}: ${answer.error}`);
      else micros.set(runtime, answer);
      await micro.end();
    }
  }
  const versions = new Map<Runtime, string>();
  for (const runtime of runtimes) versions.set(runtime, await versionOf(runtime));
  const verdicts = judge(rows, micros, runtimes);
  const report = {
    rows,
    micros,
    verdicts,
    failures,
    versions,
    capacity,
    plan,
    quick: values.quick,
    minutes: (performance.now() - started) / 60_000,
  };
  printTable(report);
  if (!filtered) {
    const results = new URL("results/", import.meta.url);
    await mkdir(results, { recursive: true });
    const micro = runtimes.flatMap((runtime) => micros.has(runtime) ? [{ runtime, ...micros.get(runtime) }] : []);
    await writeFile(new URL("latest.json", results), `${JSON.stringify({ rows, micro }, null, 2)}\n`);
    await writeDocument(report);
    // Written pages are held to the same form as all others.
    execFileSync(executable("deno"), ["fmt", "--quiet", "docs/performance.md", "bench/results/latest.json"], {
      cwd: new URL("../", import.meta.url),
      stdio: "inherit",
    });
  }
  log("done");
  process.exitCode = values.check && verdicts.some((verdict) => verdict.met !== true) ? 1 : 0;
} finally {
  await backends.end();
}
// What a failed measurement left open must not hold this program.
process.exit();

async function capacityOfBackends(): Promise<number> {
  const script = startScript("node", "backend/capacity.ts", [JSON.stringify(backends.addresses)]);
  const answer = await script.next<{ callsPerSecond: number }>(20_000);
  await script.end();
  return "error" in answer ? NaN : answer.callsPerSecond;
}
