import { readFileSync, writeFileSync } from "node:fs";
import { root, type Runtime } from "../support/process.ts";
import { type Outcome, type Scenario, showFigure } from "./scenario.ts";

const PAGE = `${root}docs/reliability.md`;
/** What failures are played to: the client, or the proxy. Each has its own part of the page. */
export type Tried = "client" | "proxy";

const MARKS: Readonly<Record<Tried, readonly [begin: string, end: string]>> = {
  client: ["<!-- chaos:begin: what follows is written by `npm run test:chaos` -->", "<!-- chaos:end -->"],
  proxy: [
    "<!-- proxy-chaos:begin: what follows is written by `npm run test:chaos -- --through-proxy` -->",
    "<!-- proxy-chaos:end -->",
  ],
};

const NAMES: Readonly<Record<Runtime, string>> = { node: "Node", bun: "Bun", deno: "Deno" };

/** What was found out: scenario by scenario, runtime by runtime. */
export type Results = readonly { readonly scenario: Scenario; readonly outcomes: ReadonlyMap<Runtime, Outcome> }[];

/** Writes the results into the page on reliability, between its markers. */
export function writeReport(
  tried: Tried,
  results: Results,
  runtimes: readonly Runtime[],
  versions: readonly string[],
): void {
  const [beginMark, endMark] = MARKS[tried];
  const page = readFileSync(PAGE, "utf8");
  const [begin, end] = [page.indexOf(beginMark), page.indexOf(endMark)];
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has no lines "${beginMark}" and "${endMark}"`);
  const report = reportOf(tried, results, runtimes, versions);
  // Cells of very different lengths are easier to read without the formatter's padding.
  const text = `<!-- deno-fmt-ignore-start -->\n\n${report}\n\n<!-- deno-fmt-ignore-end -->`;
  writeFileSync(PAGE, `${page.slice(0, begin + beginMark.length)}\n\n${text}\n\n${page.slice(end)}`);
}

function reportOf(
  tried: Tried,
  results: Results,
  runtimes: readonly Runtime[],
  versions: readonly string[],
): string {
  const table = markdownTable(
    ["what happens", "what must hold", ...runtimes.map((runtime) => NAMES[runtime])],
    results.map(({ scenario, outcomes }) => [
      scenario.title,
      scenario.bound,
      ...runtimes.map((runtime) => cell(outcomes.get(runtime))),
    ]),
  );
  const details = results.filter(({ outcomes }) =>
    [...outcomes.values()].some((outcome) => outcome.details.length > 0)
  );
  return [
    `The ${tried} on ${versions.join(", ")}.`,
    table,
    ...details.map(({ scenario, outcomes }) =>
      `What callers see of ${scenario.title}:\n\n${detailTable(outcomes, runtimes)}`
    ),
  ].join("\n\n");
}

function detailTable(outcomes: ReadonlyMap<Runtime, Outcome>, runtimes: readonly Runtime[]): string {
  const names = new Set([...outcomes.values()].flatMap(({ details }) => details.map(([name]) => name)));
  const value = (runtime: Runtime, name: string) =>
    outcomes.get(runtime)?.details.find(([detail]) => detail === name)?.[1] ?? "";
  return markdownTable(
    ["a server that", ...runtimes.map((runtime) => NAMES[runtime])],
    [...names].map((name) => [name, ...runtimes.map((runtime) => value(runtime, name))]),
  );
}

function cell(outcome: Outcome | undefined): string {
  if (outcome === undefined) return "not run";
  const figures = outcome.figures.map(showFigure).join("<br>");
  return outcome.broken.length === 0 ? figures : `**does not hold**<br>${figures}`;
}

/** A table in Markdown, not padded: `deno fmt` does that. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
