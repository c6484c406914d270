// Compares this library's proxy with its peers; see docs/performance.md, a part of which it writes.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { commandLine } from "../../test/support/command-line.ts";
import { executable } from "../../test/support/process.ts";
import { find } from "../../test/support/system.ts";
import { GRPC_GO_VERSION } from "../../test/support/grpc-go.ts";
import { versionOf } from "../process.ts";
import { PROXY_CASES } from "./case.ts";
import { PROXY_CONTENDERS, without, withoutGrpcGo } from "./contender.ts";
import { runMemory } from "./memory.ts";
import { versionOfPeer } from "./peer.ts";
import { printProxies, writeProxies } from "./report.ts";
import { type ProxyPlan, runProxies } from "./rounds.ts";
import { cheapEnough, fastEnough, flatEnough, judgeProxies } from "./target.ts";
import { startUpstream, type UpstreamName, UPSTREAMS } from "./upstream.ts";

const HELP = `npm run bench:proxy -- [--quick | --short] [--check]
npm run bench:proxy -- --memory [--calls N] [--check]
npm run bench:proxy -- [--proxies NAME,…] [--runtimes NAME,…] [--cases NAME,…] [--rounds N] [--upstream NAME]

Compares this library's proxy with nginx, HAProxy and Envoy, each with one worker, and writes its part of
docs/performance.md; with one of the options of the second and third line it writes nothing. Needs h2load, and Go for
calls from grpc-go. Peers that are not installed are left out, and the tables say so; Envoy comes from PyPI if there is
Python 3.

  --quick        five of the cases, about 4 minutes; default: everything, about 25
  --short        everything in fewer and shorter rounds, about 14 minutes
  --check        ends with code 1 if a target was not met
  --memory       only what proxies hold in memory over very many calls
  --calls N      how many those are; default: 1000000, or 200000 with --quick or --short
  --proxies      of ${[...new Set(PROXY_CONTENDERS.map(({ name }) => name))].join(", ")};
                 direct is no proxy at all, bytes-only what a runtime costs that passes bytes on
  --runtimes     of node, bun, deno: what this library's proxy and bytes-only run on
  --cases        of ${PROXY_CASES.map(({ name }) => name).join(", ")}
  --rounds N     default: 5, or 3 with --quick or --short
  --upstream     the servers behind the proxies: ${UPSTREAMS.join(" or ")}; default: connect-lb`;

const { values } = commandLine(HELP, {
  options: {
    quick: { type: "boolean", default: false },
    short: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    memory: { type: "boolean", default: false },
    calls: { type: "string" },
    proxies: { type: "string" },
    runtimes: { type: "string" },
    cases: { type: "string" },
    rounds: { type: "string" },
    upstream: { type: "string" },
  },
});
const { quick } = values, short = quick || values.short;
if (find("h2load") === undefined) {
  console.error("npm run bench:proxy needs h2load: apt-get install nghttp2-client, or brew install nghttp2");
  process.exit(1);
}
const filters = [values.calls, values.proxies, values.runtimes, values.cases, values.rounds, values.upstream];
const whole = !values.memory && filters.every((value) => value === undefined);
const chosen = oneOrMore("cases", PROXY_CASES.map(({ name }) => name), values.cases);
const proxies = oneOrMore("proxies", [...new Set(PROXY_CONTENDERS.map(({ name }) => name))], values.proxies);
const runtimes = oneOrMore("runtimes", ["node", "bun", "deno"], values.runtimes);
const [upstreamName = "connect-lb"] = oneOrMore("upstream", UPSTREAMS, values.upstream ?? "connect-lb");

const failures: string[] = [];
const contenders = PROXY_CONTENDERS.filter((contender) => {
  if (!proxies.includes(contender.name) || (contender.on !== "" && !runtimes.includes(contender.on))) return false;
  const why = without(contender);
  if (why !== false) failures.push(why);
  return why === false;
});
const noGo = withoutGrpcGo();
const plan: ProxyPlan = {
  rounds: wholeNumber("rounds", values.rounds ?? (short ? "3" : "5")),
  measureMs: short ? 600 : 1_000,
  warmUpMs: 1_500,
  cases: PROXY_CASES.filter(({ name, load, quick: alsoQuick }) =>
    chosen.includes(name) && (values.cases !== undefined || !quick || alsoQuick) &&
    (load === "h2load" || noGo === false)
  ),
  contenders,
  memoryCalls: wholeNumber("calls", values.calls ?? (short ? "200000" : "1000000")),
};
if (noGo !== false && !values.memory) failures.push(noGo);

const started = performance.now();
const log = (line: string) =>
  console.error(`${((performance.now() - started) / 1_000).toFixed(0).padStart(4)} s  ${line}`);
const upstream = await startUpstream(upstreamName as UpstreamName);
try {
  const rows = values.memory ? [] : await runProxies(plan, upstream, failures, log);
  const memory = values.memory || whole ? await runMemory(plan, upstream, failures, log) : [];
  const verdicts = judgeProxies(rows);
  const versions = await Promise.all(contenders.map(async ({ name, on }) => {
    if (on !== "") return `${on[0]!.toUpperCase()}${on.slice(1)} ${await versionOf(on)}`;
    return name === "nginx" || name === "HAProxy" || name === "Envoy" ? versionOfPeer(name) : undefined;
  }));
  const report = {
    rows,
    memory,
    verdicts,
    failures,
    plan,
    upstream: upstreamName as UpstreamName,
    versions: [...new Set([...versions, ...(noGo === false ? [`grpc-go ${GRPC_GO_VERSION}`] : [])])].filter((text) =>
      text !== undefined
    ),
    quick,
    minutes: (performance.now() - started) / 60_000,
  };
  printProxies(report);
  if (whole) {
    writeFileSync(new URL("../results/proxy.json", import.meta.url), `${JSON.stringify({ rows, memory }, null, 2)}\n`);
    writeProxies(report);
    // Written pages are held to the same form as all others.
    execFileSync(executable("deno"), ["fmt", "--quiet", "docs/performance.md", "bench/results/proxy.json"], {
      cwd: fileURLToPath(new URL("../../", import.meta.url)),
      stdio: "inherit",
    });
  }
  const missed = verdicts.some((verdict) => !cheapEnough(verdict) || !fastEnough(verdict)) ||
    memory.some((row) => row.proxy === "connect-lb" && !flatEnough(row)) ||
    failures.some((failure) => failure.startsWith("connect-lb"));
  process.exitCode = values.check && missed ? 1 : 0;
} finally {
  await upstream.end();
}
// What a failed measurement left open must not hold this program.
process.exit();

function oneOrMore(option: string, all: readonly string[], list: string | undefined): readonly string[] {
  if (list === undefined) return all;
  const names = list.split(",");
  const unknown = names.filter((name) => !all.includes(name));
  if (unknown.length === 0) return names;
  console.error(`--${option} ${unknown.join(",")}: expected of ${all.join(", ")}`);
  process.exit(2);
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  console.error(`--${option} ${text}: expected a whole number above 0`);
  process.exit(2);
}
