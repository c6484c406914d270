import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { type Runtime, RUNTIMES } from "../process.ts";
import { table } from "../table.ts";
import { PROXY_CASES } from "./case.ts";
import type { ProxyPlan } from "./rounds.ts";
import type { MemoryRow, ProxyRow } from "./row.ts";
import {
  addedP50Ms,
  cheapEnough,
  fastEnough,
  flatEnough,
  grownMiB,
  perCpuSecond,
  type ProxyVerdict,
} from "./target.ts";
import type { UpstreamName } from "./upstream.ts";

/** All that a run has to tell. */
export interface ProxyReport {
  readonly rows: readonly ProxyRow[];
  readonly memory: readonly MemoryRow[];
  readonly verdicts: readonly ProxyVerdict[];
  readonly failures: readonly string[];
  readonly plan: ProxyPlan;
  readonly upstream: UpstreamName;
  /** For example "nginx 1.22.1". */
  readonly versions: readonly string[];
  readonly quick: boolean;
  readonly minutes: number;
}

const BEGIN = "<!-- bench-proxy:begin: what follows is written by `npm run bench:proxy` -->";
const END = "<!-- bench-proxy:end -->";

/** Prints what the run showed. */
export function printProxies(report: ProxyReport): void {
  console.log(`\n${tables(report).replaceAll(/^### /gm, "")}`);
}

/** Puts the tables into docs/performance.md; what stands outside of the marks is kept. */
export function writeProxies(report: ProxyReport): void {
  const page = new URL("../../docs/performance.md", import.meta.url);
  const text = readFileSync(page, "utf8");
  const begin = text.indexOf(BEGIN), end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md lacks the marks ${BEGIN} and ${END}`);
  const written = `${BEGIN}\n\n${introduction(report)}\n\n${tables(report)}\n\n`;
  writeFileSync(page, text.slice(0, begin) + written + text.slice(end));
}

function introduction({ plan, versions, upstream, quick, minutes }: ProxyReport): string {
  const { rounds, measureMs, warmUpMs } = plan;
  const servers = upstream === "grpc-go" ? "grpc-go's" : "this library's on Node";
  return [
    `${quick ? "A quick run (`npm run bench:proxy -- --quick`): read it as a hint. " : ""}${
      new Date().toISOString().slice(0, 10)
    },`,
    `${cpus().length} cores (${
      cpus()[0]?.model.trim() || "unknown processor"
    }), which clients, proxies and servers share.`,
    `${versions.join(", ")}.`,
    `Behind each proxy stand the same two servers, ${servers}, each in a process of its own.`,
    `Before the first case, each proxy warms up with 64 calls in flight, and in each case those on a runtime for ${warmUpMs} ms`,
    "of their CPU time.",
    `Medians of ${rounds} rounds of ${measureMs} ms, in which the proxies take turns; in ${
      minutes.toFixed(1)
    } minutes.`,
  ].join("\n");
}

function tables({ rows, memory, verdicts, failures }: ProxyReport): string {
  const parts: string[] = [];
  if (verdicts.length > 0) parts.push("### Targets of the proxy", targetTable(verdicts));
  for (const { name, load, unit } of PROXY_CASES) {
    const of = rows.filter((row) => row.case === name);
    if (of.length > 0) parts.push(`### ${name}: calls from ${load}`, caseTable(of, rows, unit));
  }
  if (memory.length > 0) {
    parts.push(`### Memory of proxies over ${number(memory[0]!.calls)} calls`, memoryTable(memory));
  }
  if (failures.length > 0) {
    parts.push("### What proxies did not do", failures.map((failure) => `- ${failure}`).join("\n"));
  }
  return parts.join("\n\n");
}

function targetTable(verdicts: readonly ProxyVerdict[]): string {
  const pairs = [...new Set(verdicts.map((verdict) => `${verdict.case} ${verdict.peer}`))];
  const cells = (pair: string, on: Runtime) => {
    const verdict = verdicts.find((one) => `${one.case} ${one.peer}` === pair && one.on === on);
    if (verdict === undefined) return ["not measured", "not measured"];
    const marked = (text: string, met: boolean) => met ? text : `**${text}**`;
    return [
      marked(verdict.callsPerCpuSecond.toFixed(2), cheapEnough(verdict)),
      marked(`${milliseconds(verdict.addedP50Ms)} (${milliseconds(verdict.peersAddedP50Ms)})`, fastEnough(verdict)),
    ];
  };
  return [
    table(
      ["case", "against", ...RUNTIMES.flatMap((on) => [`${capital(on)}: calls per CPU second ÷`, "added p50, ms"])],
      pairs.map((pair) => [...pair.split(" "), ...RUNTIMES.flatMap((on) => cells(pair, on))]),
      2,
    ),
    "Calls per CPU second are to be at least 1.0 × the peer's, and the p50 that is added at most the peer's, which " +
    "stands in parentheses. What misses its target is **bold**.",
  ].join("\n\n");
}

function caseTable(of: readonly ProxyRow[], rows: readonly ProxyRow[], unit: string): string {
  return table(
    [
      "proxy",
      "on",
      "calls/s",
      "p50 ms",
      "added",
      "p99 ms",
      `proxy's CPU µs/${unit}`,
      `${unit}s per CPU second`,
      "servers' CPU µs",
      "MiB",
    ],
    of.map((row) => {
      const direct = row.proxy === "direct", added = addedP50Ms(row, rows);
      return [
        direct ? "none" : row.proxy,
        capital(row.on),
        number(row.callsPerSecond),
        row.p50Ms.toFixed(3),
        direct || added === undefined ? "" : milliseconds(added),
        row.p99Ms.toFixed(2),
        direct ? "" : number(row.proxyCpuUs),
        direct ? "" : number(perCpuSecond(row)),
        number(row.upstreamCpuUs),
        direct ? "" : number(row.residentMiB),
      ];
    }),
    2,
  );
}

function memoryTable(memory: readonly MemoryRow[]): string {
  return table(
    ["proxy", "on", "MiB after each tenth", "grown by, MiB", ""],
    memory.map((row) => [
      row.proxy,
      capital(row.on),
      row.residentMiB.map((mebibytes) => mebibytes.toFixed(0)).join(", "),
      Math.max(0, grownMiB(row)).toFixed(1),
      row.proxy !== "connect-lb" ? "" : flatEnough(row) ? "flat" : "**not flat**",
    ]),
    3,
  );
}

function milliseconds(value: number): string {
  return value.toFixed(3);
}

function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

function capital(runtime: string): string {
  return runtime === "" ? "" : runtime[0]!.toUpperCase() + runtime.slice(1);
}
