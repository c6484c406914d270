// Compares this library's server with its peers; see docs/performance.md, a part of which it writes.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { commandLine } from "../../test/support/command-line.ts";
import { hasGo } from "../../test/support/go.ts";
import { executable } from "../../test/support/process.ts";
import { find } from "../../test/support/system.ts";
import { type Runtime, RUNTIMES } from "../process.ts";
import { median } from "../row.ts";
import { SERVER_CASES, type ServerCase } from "./case.ts";
import { SERVER_CONTENDERS } from "./contender.ts";
import { comparePairs, type PairPlan } from "./pairs.ts";
import { printServers, writeServers } from "./report.ts";
import { runIdle, runServers, type ServerPlan } from "./rounds.ts";
import { judgeServers } from "./target.ts";

/** How long a turn of a server of a pair takes. */
const TURN_MS = 500;
const HELP = `npm run bench:server -- [--quick] [--check]
npm run bench:server -- [--servers NAME,…] [--runtimes NAME,…] [--cases NAME,…] [--rounds N]
npm run bench:server -- --against NAME --servers NAME [--runtimes NAME,…] [--cases NAME,…] [--pairs N] [--turns N]

Compares this library's server with its peers, and writes its part of docs/performance.md; with one of the options of
the second line it writes nothing. Needs h2load, and Go for some of the peers.

  --quick      the cases that targets speak of, about 3 minutes; default: everything, about 12
  --check      ends with code 1 if a target was not met
  --servers    of ${[...new Set(SERVER_CONTENDERS.map(({ name }) => name))].join(", ")}
  --runtimes   of ${[...new Set(SERVER_CONTENDERS.map(({ runtime }) => runtime))].join(", ")}
  --cases      of ${SERVER_CASES.map(({ name }) => name).join(", ")}
  --rounds N   default: 5, or 3 with --quick
  --against    a server that the one of --servers is compared with alone, by pairs of processes that take turns. What
               metrics cost: npm run bench:server -- --servers connect-lb-otel --against connect-lb
  --pairs N    default: 5
  --turns N    of 500 ms for each server of a pair, default: 20`;

const { values } = commandLine(HELP, {
  options: {
    quick: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    servers: { type: "string" },
    runtimes: { type: "string" },
    cases: { type: "string" },
    rounds: { type: "string" },
    against: { type: "string" },
    pairs: { type: "string", default: "5" },
    turns: { type: "string", default: "20" },
  },
});
const { quick } = values;
const filtered = [values.servers, values.runtimes, values.cases, values.rounds].some((value) => value !== undefined);
if (find("h2load") === undefined) {
  console.error("npm run bench:server needs h2load: apt-get install nghttp2-client, or brew install nghttp2");
  process.exit(1);
}
const failures: string[] = [];
if (!hasGo()) failures.push('grpc-go and its client: there is no Go to build them with (put "go" on the PATH)');

const runtimes = values.runtimes?.split(",");
const servers = values.servers?.split(",");
const chosen = values.cases?.split(",");
const plan: ServerPlan = {
  rounds: Number(values.rounds ?? (quick ? 3 : 5)),
  measureMs: quick ? 600 : 1_000,
  warmUpMs: quick ? 600 : 1_500,
  cases: SERVER_CASES.filter((which) =>
    (chosen === undefined ? !quick || which.quick : chosen.includes(which.name)) &&
    (hasGo() || which.load !== "grpc-go")
  ),
  contenders: SERVER_CONTENDERS.filter(({ name, runtime, ifNamed }) =>
    (servers?.includes(name) ?? ifNamed !== true) && (runtime === "go" ? hasGo() : runtimes?.includes(runtime) ?? true)
  ),
  idleConnections: quick ? 5_000 : 10_000,
};
const unknown = chosen?.filter((name) => !SERVER_CASES.some((which: ServerCase) => which.name === name)) ?? [];
if (unknown.length > 0) {
  console.error(`no case ${unknown}: ${SERVER_CASES.map((which) => which.name).join(", ")}`);
  process.exit(2);
}

if (values.against !== undefined) {
  const names = [values.servers, values.against] as PairPlan["names"];
  for (const name of names) {
    if (SERVER_CONTENDERS.some((contender) => contender.name === name)) continue;
    console.error(`no server ${name}: --servers and --against take one of those in --help each`);
    process.exit(2);
  }
  const cases = chosen === undefined ? SERVER_CASES.filter(({ name }) => name === "unary-16B-c64") : plan.cases;
  console.log(`CPU time of a call to ${names[0]} as a multiple of one to ${names[1]}\n`);
  console.log("| runtime | case | ratio | of each pair |\n| --- | --- | ---: | --- |");
  for (const runtime of (runtimes ?? RUNTIMES) as readonly Runtime[]) {
    for (const which of cases) {
      const counts = { pairs: Number(values.pairs), turns: Number(values.turns), turnMs: TURN_MS };
      const ratios = await comparePairs({ names, runtime, which, ...counts });
      const text = (ratio: number) => ratio.toFixed(3);
      console.log(`| ${runtime} | ${which.name} | ${text(median(ratios))} | ${ratios.map(text).join(", ")} |`);
    }
  }
  process.exit(0);
}

const started = performance.now();
const log = (line: string) =>
  console.log(`${((performance.now() - started) / 1_000).toFixed(0).padStart(4)} s  ${line}`);
const rows = await runServers(plan, failures, log);
const idle = chosen === undefined ? await runIdle(plan, failures, log) : [];
const verdicts = judgeServers(rows, idle);
const report = { rows, idle, verdicts, failures, plan, quick, minutes: (performance.now() - started) / 60_000 };
printServers(report);
if (!filtered) {
  writeFileSync(new URL("../results/server.json", import.meta.url), `${JSON.stringify({ rows, idle }, null, 2)}\n`);
  writeServers(report);
  // Written pages are held to the same form as all others.
  execFileSync(executable("deno"), ["fmt", "--quiet", "docs/performance.md"], {
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    stdio: "inherit",
  });
}
process.exit(values.check && verdicts.some((verdict) => verdict.met === false) ? 1 : 0);
