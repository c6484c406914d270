// Compares this version with another checkout of it, which take turns of 100 ms in one run.
//
//   git worktree add --detach ../before <commit> && cp -r node_modules ../before
//   npm run bench:compare -- ../before                             unary-16B-c64 on Node, Bun and Deno
//   … --cases=unary-16B-c64,server-stream-16B --runtimes=node --turns=200 --processes=3
import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { commandLine } from "../test/support/command-line.ts";
import type { Measurement } from "./load.ts";
import { type Lines, type Runtime, RUNTIMES, START_MS, startBackends, startScript } from "./process.ts";
import { casesNamed } from "./rounds.ts";
import { median } from "./row.ts";

const HELP =
  `npm run bench:compare -- DIRECTORY [--cases NAME,…] [--runtimes NAME,…] [--contender NAME] [--turns N] [--processes N]

  DIRECTORY      another checkout, with its node_modules
  --cases        see bench/case.ts; default: unary-16B-c64
  --runtimes     default: ${RUNTIMES}
  --contender    connect-lb, or connect-lb-direct for the link alone; default: connect-lb
  --against      the other checkout's contender, if it is not the same one. What metrics cost, for example:
                 npm run bench:compare -- . --contender connect-lb-otel --against connect-lb
  --turns N      turns of 100 ms for each version in each pair of processes; default 100
  --processes N  pairs of processes, since one process's compiler may be luckier than another's; default 5`;

const { values, positionals } = commandLine(HELP, {
  allowPositionals: true,
  options: {
    cases: { type: "string", default: "unary-16B-c64" },
    runtimes: { type: "string", default: RUNTIMES.join() },
    contender: { type: "string", default: "connect-lb" },
    against: { type: "string" },
    turns: { type: "string", default: "100" },
    processes: { type: "string", default: "5" },
  },
});
if (positionals.length !== 1) {
  console.error(HELP);
  process.exit(2);
}
const TURN_MS = 100, WARM_UP_MS = 1_500;
/** How long a process may take to answer after its load, on a busy machine, too. */
const ANSWER_MS = 60_000;
const cases = casesNamed(values.cases.split(","));
const there = new URL("bench/client.ts", `${pathToFileURL(resolve(positionals[0]!)).href}/`);
const backends = await startBackends(3);
console.log("ratios of this version to the other: a CPU time below 1 and a rate above 1 are better\n");
console.log(
  "| runtime | case | CPU per call | of each pair | calls/s | p99 |\n| --- | --- | ---: | --- | ---: | ---: |",
);
try {
  for (const runtime of values.runtimes.split(",") as Runtime[]) {
    const pairs: Record<keyof Measurement, number>[][] = [];
    for (let i = 0; i < Number(values.processes); i++) pairs.push(await pair(runtime));
    for (const [index, which] of cases.entries()) {
      const of = (value: keyof Measurement) => pairs.map((measured) => measured[index]![value]);
      const text = (ratio: number) => ratio.toFixed(3);
      const cpu = of("cpuUsPerCall");
      console.log(
        `| ${runtime} | ${which.name} | ${text(median(cpu))} | ${cpu.map(text).join(", ")} | ${
          text(median(of("callsPerSecond")))
        } | ${text(median(of("p99Ms")))} |`,
      );
    }
  }
} finally {
  await backends.end();
}

/** Runs one process of each version; the ratios by case. */
async function pair(runtime: Runtime): Promise<Record<keyof Measurement, number>[]> {
  const start = (script: URL, contender: string) =>
    startScript(runtime, script.href, [contender, JSON.stringify(backends.addresses)]);
  const { contender, against = contender } = values;
  const names = [`this version's ${contender}`, `the other's ${against}`].map((name) => `${name} on ${runtime}`);
  const started: [Lines, Lines] = [start(new URL("client.ts", import.meta.url), contender), start(there, against)];
  try {
    for (const [i, client] of started.entries()) must(await client.next(START_MS), `${names[i]!} did not start`);
    const ratios: Record<keyof Measurement, number>[] = [];
    for (const which of cases) {
      const run = async (i: number, ms: number) =>
        must(
          await started[i]!.ask<Measurement>({ do: "run", case: which.name, ms }, ms + ANSWER_MS),
          `${names[i]!} did not run ${which.name}`,
        );
      for (const i of started.keys()) await run(i, WARM_UP_MS);
      const measured: [Measurement, Measurement][] = [];
      for (let turn = 0; turn < Number(values.turns); turn++) {
        // In the order ABBA, so that neither is always first.
        const first = turn % 2;
        const a = await run(first, TURN_MS), b = await run(1 - first, TURN_MS);
        measured.push(first === 0 ? [a, b] : [b, a]);
      }
      const ratio = (value: keyof Measurement) => median(measured.map(([a, b]) => a[value] / b[value]));
      ratios.push({
        calls: ratio("calls"),
        callsPerSecond: ratio("callsPerSecond"),
        p50Ms: ratio("p50Ms"),
        p99Ms: ratio("p99Ms"),
        cpuUsPerCall: ratio("cpuUsPerCall"),
      });
    }
    return ratios;
  } finally {
    for (const client of started) {
      client.child.stdin!.write(`${JSON.stringify({ do: "close" })}\n`);
      await client.end();
    }
  }
}

function must<T>(answer: T | { error: string }, what: string): T {
  if (typeof answer === "object" && answer !== null && "error" in answer) throw new Error(`${what}: ${answer.error}`);
  return answer as T;
}
