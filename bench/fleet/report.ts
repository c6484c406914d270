import { readFileSync, writeFileSync } from "node:fs";
import { table } from "../table.ts";
import { failedChart, latencyChart } from "./chart.ts";
import { PARTS } from "./plan.ts";
import type { RealReport } from "./real/run.ts";
import { failedShare, type FleetRow } from "./row.ts";
import { FAILING_SHAPES, HEDGING_SHAPES, SIZES } from "./shapes.ts";
import type { FleetVerdict } from "./targets.ts";

/** All that the simulations of a run have shown. */
export interface FleetReport {
  readonly rows: readonly FleetRow[];
  readonly verdicts: readonly FleetVerdict[];
  readonly seeds: number;
  readonly quick: boolean;
}

const SIMULATED = {
  begin: "<!-- bench-fleet:begin: what follows is written by `npm run bench:fleet` -->",
  end: "<!-- bench-fleet:end -->",
};
const REAL = {
  begin: "<!-- bench-fleet-real:begin: what follows is written by `npm run bench:fleet -- --real` -->",
  end: "<!-- bench-fleet-real:end -->",
};
const DOCS = new URL("../../docs/", import.meta.url);

/** The page that reports are written into. */
export const PAGE: URL = new URL("policies.md", DOCS);

/** Prints what simulations have shown. */
export function printFleet(report: FleetReport): void {
  console.log(`\n${tables(report).replaceAll(/^### /gm, "")}`);
}

/** Puts tables and charts of simulations into docs/policies.md; what stands outside of the marks is kept. */
export function writeFleet(report: FleetReport): void {
  const { rows, seeds, quick } = report;
  const sizes = SIZES.slice(0, 3);
  writeFileSync(new URL("policies-latency.svg", DOCS), latencyChart(rows, sizes));
  writeFileSync(new URL("policies-failing.svg", DOCS), failedChart(rows, FAILING_SHAPES));
  const introduction = [
    `${quick ? "A quick run (`npm run bench:fleet -- --quick`): read it as a hint. " : ""}Simulated:`,
    `${
      seeds === 1 ? "one seed" : `means of ${seeds} seeds`
    }, the same on every run. All latencies are in milliseconds.`,
  ].join("\n");
  write(SIMULATED, [
    introduction,
    "![Latency by policy](policies-latency.svg)",
    "![Failed calls](policies-failing.svg)",
    tables(report),
  ]);
}

/** Prints what the real fleet has shown. */
export function printReal(report: RealReport): void {
  console.log(`\n${realTables(report)}`);
}

/** Puts the tables of the real fleet into docs/policies.md. */
export function writeReal(report: RealReport): void {
  write(REAL, [realTables(report)]);
}

function write({ begin, end }: { begin: string; end: string }, parts: readonly string[]): void {
  const text = readFileSync(PAGE, "utf8");
  const from = text.indexOf(begin), to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/policies.md lacks the marks ${begin} and ${end}`);
  writeFileSync(PAGE, `${text.slice(0, from)}${begin}\n\n${parts.join("\n\n")}\n\n${text.slice(to)}`);
}

function tables({ rows, verdicts }: FleetReport): string {
  const parts: string[] = [];
  const shown = (shapes: readonly { readonly name: string }[]) =>
    shapes.filter(({ name }) => rows.some((row) => row.shape === name));
  if (verdicts.some(({ ratio }) => ratio !== undefined)) parts.push("### Targets", targetTable(verdicts));
  for (const { title, shapes, contenders } of PARTS) {
    const names = shown(shapes).map(({ name }) => name);
    if (names.length === 0) continue;
    const matrix = (cell: (row: FleetRow) => string) =>
      table(
        ["", ...names],
        contenders.filter(({ name }) => rows.some((row) => row.contender === name && names.includes(row.shape)))
          .map(({ name }) => [
            name,
            ...names.map((shape) => {
              const row = rows.find((row) => row.shape === shape && row.contender === name);
              return row === undefined ? "–" : cell(row);
            }),
          ]),
        1,
      );
    parts.push(`### ${title}`, legend(shapes.filter(({ name }) => names.includes(name))));
    if (shapes === FAILING_SHAPES) {
      parts.push("Failed calls:", matrix((row) => percent(failedShare(row))), "p99 / p99.9:");
      parts.push(matrix((row) => `${ms(row.p99Ms)} / ${ms(row.p999Ms)}`));
    } else if (shapes === HEDGING_SHAPES) {
      parts.push("p50 / p99.5 / p99.9, attempts per call:");
      parts.push(
        matrix((row) => `${ms(row.p50Ms)} / ${ms(row.p995Ms)} / ${ms(row.p999Ms)}, ${row.attemptsPerCall.toFixed(3)}`),
      );
    } else {
      parts.push("p50 / p99 / p99.9:", matrix((row) => `${ms(row.p50Ms)} / ${ms(row.p99Ms)} / ${ms(row.p999Ms)}`));
    }
    if (shapes === SIZES) {
      parts.push("Probes per call:", matrix((row) => row.probesPerCall.toFixed(2)));
    }
  }
  return parts.join("\n\n");
}

function legend(shapes: readonly { readonly name: string; readonly title: string }[]): string {
  return shapes.map(({ name, title }) => `- ${name}: ${title}`).join("\n");
}

function targetTable(verdicts: readonly FleetVerdict[]): string {
  return table(
    ["target", "best", "", "ratio", ""],
    verdicts.map(({ name, against, bound, ratio, met }) => [
      name,
      against ?? "",
      bound,
      ratio === undefined ? "–" : ratio.toFixed(3),
      met === undefined ? "not measured" : met ? "met" : "**not met**",
    ]),
    3,
  );
}

function realTables({ rows, verdicts }: RealReport): string {
  return [
    table(
      ["policy", "calls", "failed", "p50 ms", "p99 ms", "probes per call", "client CPU, µs per call"],
      rows.map((row) => [
        row.contender,
        `${row.calls}`,
        `${row.failed}`,
        row.p50Ms.toFixed(1),
        row.p99Ms.toFixed(1),
        row.probesPerCall.toFixed(2),
        row.cpuUsPerCall.toFixed(0),
      ]),
      1,
    ),
    targetTable(verdicts),
  ].join("\n\n");
}

function ms(value: number): string {
  return value >= 99.5 ? Math.round(value).toLocaleString("en") : value.toPrecision(2);
}

function percent(share: number): string {
  return share === 0 ? "0" : `${(100 * share).toPrecision(2)} %`;
}
