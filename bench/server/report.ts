import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { RUNTIMES } from "../process.ts";
import { table } from "../table.ts";
import { GRPC_GO_VERSION } from "../../test/support/grpc-go.ts";
import { SERVER_CASES } from "./case.ts";
import type { ServerPlan } from "./rounds.ts";
import type { IdleRow, ServerRow } from "./row.ts";
import type { ServerVerdict } from "./target.ts";

/** All that a run has to tell. */
export interface ServerReport {
  readonly rows: readonly ServerRow[];
  readonly idle: readonly IdleRow[];
  readonly verdicts: readonly ServerVerdict[];
  readonly failures: readonly string[];
  readonly plan: ServerPlan;
  readonly quick: boolean;
  readonly minutes: number;
}

const BEGIN = "<!-- bench-server:begin: what follows is written by `npm run bench:server` -->";
const END = "<!-- bench-server:end -->";

/** Prints what the run showed. */
export function printServers(report: ServerReport): void {
  console.log(`\n${tables(report).replaceAll(/^### /gm, "")}`);
}

/** Puts the tables into docs/performance.md; what stands outside of the marks is kept. */
export function writeServers(report: ServerReport): void {
  const page = new URL("../../docs/performance.md", import.meta.url);
  const text = readFileSync(page, "utf8");
  const begin = text.indexOf(BEGIN), end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md lacks the marks ${BEGIN} and ${END}`);
  writeFileSync(
    page,
    `${text.slice(0, begin)}${BEGIN}\n\n${introduction(report)}\n\n${tables(report)}\n\n${text.slice(end)}`,
  );
}

function introduction({ plan, quick, minutes }: ServerReport): string {
  const { rounds, measureMs, idleConnections } = plan;
  return [
    `${quick ? "A quick run (`npm run bench:server -- --quick`): read it as a hint. " : ""}${
      new Date().toISOString().slice(0, 10)
    },`,
    `${cpus().length} cores (${cpus()[0]?.model.trim() || "unknown processor"}), which servers and clients share.`,
    `grpc-go is ${GRPC_GO_VERSION}. CPU time is the whole server process's, by the kernel's count. Medians of ${rounds}`,
    `rounds of ${measureMs} ms, in which the servers take turns; ${
      idleConnections.toLocaleString("en")
    } idle connections;`,
    `in ${minutes.toFixed(1)} minutes.`,
  ].join("\n");
}

function tables({ rows, idle, verdicts, failures }: ServerReport): string {
  const parts = ["### Targets of the server", targetTable(verdicts)];
  for (const { name, load, unit } of SERVER_CASES) {
    const of = rows.filter((row) => row.case === name);
    if (of.length === 0) continue;
    parts.push(
      `### ${name}: calls from ${load === "own client" ? "each server's own client" : load}`,
      caseTable(of, unit),
    );
  }
  if (idle.length > 0) parts.push("### Idle connections", idleTable(idle));
  if (failures.length > 0) {
    parts.push("### What servers did not do", failures.map((failure) => `- ${failure}`).join("\n"));
  }
  return parts.join("\n\n");
}

function targetTable(verdicts: readonly ServerVerdict[]): string {
  const names = [...new Set(verdicts.map(({ name }) => name))];
  const cell = ({ ratio, met, atMost }: ServerVerdict) =>
    ratio === undefined ? "not measured" : `${ratio.toFixed(3)} (≤ ${atMost}) ${met ? "met" : "**not met**"}`;
  return table(
    ["target", ...RUNTIMES.map(capital)],
    names.map((name) => [
      name,
      ...RUNTIMES.map((runtime) => cell(verdicts.find((one) => one.name === name && one.runtime === runtime)!)),
    ]),
  );
}

function caseTable(rows: readonly ServerRow[], unit: string): string {
  const own = rows.some(({ clientCpuUs }) => clientCpuUs !== null);
  const head = [
    "server",
    "on",
    "calls/s",
    "p99 ms",
    `server's CPU µs/${unit}`,
    ...(own ? ["client's", "both"] : []),
    "MiB",
  ];
  return table(
    head,
    rows.map((row) => [
      row.server,
      capital(row.runtime),
      number(row.callsPerSecond),
      row.p99Ms.toFixed(2),
      number(row.serverCpuUs),
      ...(own ? [number(row.clientCpuUs ?? NaN), number(row.serverCpuUs + (row.clientCpuUs ?? NaN))] : []),
      number(row.residentMiB),
    ]),
    2,
  );
}

function idleTable(rows: readonly IdleRow[]): string {
  return table(
    ["server", "on", "connections", "KiB per connection"],
    rows.map((row) => [
      row.server,
      capital(row.runtime),
      number(row.connections),
      (row.bytesPerConnection / 1_024).toFixed(1),
    ]),
    2,
  );
}

function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

function capital(runtime: string): string {
  return runtime[0]!.toUpperCase() + runtime.slice(1);
}
