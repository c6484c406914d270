import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { CASES } from "./case.ts";
import { chart } from "./chart.ts";
import type { PickTimes } from "./micro/pick.ts";
import type { Micro } from "./micro/run.ts";
import type { Runtime } from "./process.ts";
import type { Plan } from "./rounds.ts";
import type { Row } from "./row.ts";
import { table } from "./table.ts";
import type { Verdict } from "./target.ts";

/** All that a run has to tell. */
export interface Report {
  readonly rows: readonly Row[];
  readonly micros: ReadonlyMap<Runtime, Micro>;
  readonly verdicts: readonly Verdict[];
  readonly failures: readonly string[];
  readonly versions: ReadonlyMap<Runtime, string>;
  /** Unary calls a second that the backends answer. */
  readonly capacity: number;
  readonly plan: Plan;
  readonly quick: boolean;
  readonly minutes: number;
}

const BEGIN = "<!-- bench:begin: what follows is written by `npm run bench` -->";
const END = "<!-- bench:end -->";
const CHART_CASE = "unary-16B-c64";

/** Prints what the run showed. */
export function printTable(report: Report): void {
  console.log(tables(report).replaceAll(/^### /gm, "").replaceAll("\n\n\n", "\n\n"));
}

/** Puts tables and chart into docs/performance.md; what stands outside of the marks is kept. */
export async function writeDocument(report: Report): Promise<void> {
  const docs = new URL("../docs/", import.meta.url);
  await mkdir(docs, { recursive: true });
  const runtimes = [...report.versions.keys()];
  const contenders = [...new Set(report.rows.map((row) => row.contender))];
  const title = "Unary calls per second, 16-byte messages, 64 in flight";
  await writeFile(
    new URL("performance.svg", docs),
    chart(report.rows, { title, case: CHART_CASE, runtimes, contenders }),
  );
  const page = new URL("performance.md", docs);
  const text = await readFile(page, "utf8").catch(() => `# Performance\n\n${BEGIN}\n${END}\n`);
  const begin = text.indexOf(BEGIN), end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md lacks the marks ${BEGIN} and ${END}`);
  const written = `${BEGIN}\n\n${introduction(report)}\n\n![${title}](performance.svg)\n\n${tables(report)}\n\n`;
  await writeFile(page, text.slice(0, begin) + written + text.slice(end));
}

function introduction({ versions, capacity, plan, quick, minutes }: Report): string {
  const runtimes = [...versions].map(([runtime, version]) => `${capital(runtime)} ${version}`).join(", ");
  const processor = cpus()[0]?.model.trim() || "unknown processor";
  return [
    `${quick ? "A quick run (`npm run bench -- --quick`): read it as a hint. " : ""}${
      new Date().toISOString().slice(0, 10)
    },`,
    `${cpus().length} cores (${processor}), ${Math.round(totalmem() / 2 ** 30)} GiB. ${runtimes}.`,
    `Medians of ${plan.rounds} rounds of ${plan.measureMs} ms each (by turns: ${plan.turns} of ${plan.turnMs} ms a round),`,
    `in ${minutes.toFixed(1)} minutes.`,
    `The three backends together answer ${number(capacity)} unary calls/s.`,
  ].join("\n");
}

function tables(report: Report): string {
  const parts: string[] = [];
  const runtimes = [...report.versions.keys()];
  parts.push("### Targets", targetTable(report.verdicts, runtimes));
  for (const which of CASES) {
    const rows = report.rows.filter((row) => row.case === which.name);
    if (rows.length > 0) parts.push(`### ${which.name}`, caseTable(rows, runtimes));
  }
  if (report.micros.size > 0) parts.push("### The balancer itself", microTable(report.micros));
  if (report.failures.length > 0) {
    parts.push("### What did not work", report.failures.map((failure) => `- ${failure}`).join("\n"));
  }
  return parts.join("\n\n");
}

function targetTable(verdicts: readonly Verdict[], runtimes: readonly Runtime[]): string {
  const names = [...new Set(verdicts.map((verdict) => verdict.name))];
  const cell = (verdict: Verdict | undefined) =>
    verdict?.ratio === undefined
      ? "not measured"
      : `${verdict.ratio.toFixed(2)} ${verdict.met ? "met" : "**not met**"}`;
  return table(
    ["target", "", ...runtimes.map(capital)],
    names.map((name) => {
      const of = (runtime: Runtime) => verdicts.find((v) => v.name === name && v.runtime === runtime);
      return [name, of(runtimes[0]!)?.bound ?? "", ...runtimes.map((runtime) => cell(of(runtime)))];
    }),
  );
}

function caseTable(rows: readonly Row[], runtimes: readonly Runtime[]): string {
  const contenders = [...new Set(rows.map((row) => row.contender))];
  const body = runtimes.flatMap((runtime) =>
    contenders.flatMap((contender) => {
      const row = rows.find((r) => r.runtime === runtime && r.contender === contender);
      if (row === undefined) return [];
      return [[
        capital(runtime),
        contender,
        number(row.callsPerSecond),
        row.p50Ms.toFixed(2),
        row.p99Ms.toFixed(2),
        row.cpuUsPerCall === null ? "–" : number(row.cpuUsPerCall),
        row.heapBytesPerCall === null ? "–" : number(row.heapBytesPerCall),
      ]];
    })
  );
  return table(["runtime", "contender", "calls/s", "p50 ms", "p99 ms", "CPU µs/call", "heap B/call"], body, 2);
}

function microTable(micros: ReadonlyMap<Runtime, Micro>): string {
  const times = ({ among10, among1000, among10000 }: PickTimes) =>
    [among10, among1000, among10000].map(number).join("; ");
  const lines: readonly (readonly [string, (micro: Micro) => string])[] = [
    ["a draw of one among 10; 1,000; 10,000, and a look at it, ns", ({ draw }) => times(draw)],
    ["new set of 10,000 endpoints, one changed, ms", (m) => m.reconcileOneOf10000Ms.toFixed(2)],
    ["new set of 10,000 endpoints, all changed, ms", (m) => m.reconcileAllOf10000Ms.toFixed(2)],
    ["bytes per idle connection", (m) => number(m.bytesPerIdleConnection)],
    ["bytes per unary call in flight", (m) => number(m.bytesPerCallInFlight)],
    ["10,000 SETTINGS at 10,000 streams, CPU ms", (m) => number(m.settingsFloodMs)],
    ["10,000 GOAWAY at 10,000 streams, CPU ms", (m) => number(m.goawayFloodMs)],
    ["10,000 WINDOW_UPDATE at 10,000 streams, CPU ms", (m) => number(m.windowFloodMs)],
  ];
  const all = [...micros.values()];
  const picks = (all[0]?.picks ?? []).map(({ policy }, i): [string, (micro: Micro) => string] => [
    `pick of ${policy} among 10; 1,000; 10,000, ns`,
    ({ picks }) => times(picks[i]!),
  ]);
  return table(
    ["", ...[...micros.keys()].map(capital)],
    [...picks, ...lines].map(([name, of]) => [name, ...all.map(of)]),
    1,
  );
}

function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

function capital(runtime: string): string {
  return runtime[0]!.toUpperCase() + runtime.slice(1);
}
