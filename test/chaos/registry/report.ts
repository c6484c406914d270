import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { root, type Runtime } from "../../support/process.ts";
import { markdownTable } from "../report.ts";
import { showFigure } from "../scenario.ts";
import { ALWAYS, DRIVERS, type RegistryOutcome } from "./lab.ts";
import type { Driver } from "./message.ts";
import type { Result } from "./run.ts";

const PAGE = `${root}docs/reliability.md`;
const BEGIN = "<!-- registry-chaos:begin: what follows is written by `npm run test:chaos` -->";
const END = "<!-- registry-chaos:end -->";

const ENTRY: Readonly<Record<Driver, string>> = {
  connect: "`connect-lb/etcd`",
  etcd3: "`connect-lb/etcd3`",
  gateway: "`connect-lb/etcd-gateway`",
};
const NAMES: Readonly<Record<Runtime, string>> = { node: "Node", bun: "Bun", deno: "Deno" };

/** Writes the results into the page on reliability, between marks of its own; what stands outside of them is kept. */
export function writeRegistryReport(results: readonly Result[], runtimes: readonly Runtime[]): void {
  let page = existsSync(PAGE) ? readFileSync(PAGE, "utf8") : "# Reliability\n";
  if (!page.includes(BEGIN)) page += `\n## The registry\n\n${BEGIN}\n${END}\n`;
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (end < begin) throw new Error(`${PAGE} has no line "${END}" behind "${BEGIN}"`);
  const parts = [
    `A program on each runtime, over each driver, registers itself and watches its service, while this happens to it, ` +
    `to its etcd (real processes with data of their own) or to the path between them (a TCP proxy). After each of ` +
    `them: ${ALWAYS}. Figures are times from when etcd, or the path to it, was there again, or from when it went bad ` +
    `where it did not come back.`,
    ...DRIVERS.flatMap((driver, i) => [`### Over ${ENTRY[driver]}`, table(driver, results, runtimes, i === 0)]),
  ];
  writeFileSync(PAGE, `${page.slice(0, begin + BEGIN.length)}\n\n${parts.join("\n\n")}\n\n${page.slice(end)}`);
}

function table(driver: Driver, results: readonly Result[], runtimes: readonly Runtime[], bounds: boolean): string {
  return markdownTable(
    ["what happens", ...(bounds ? ["what must hold"] : []), ...runtimes.map((runtime) => NAMES[runtime])],
    results.map(({ scenario, outcomes }) => [
      scenario.title,
      ...(bounds ? [scenario.bound] : []),
      ...runtimes.map((runtime) => cell(outcomes.find((one) => one.runtime === runtime && one.driver === driver))),
    ]),
  );
}

/** Times, and of counts only what is not as it always must be. */
function cell(outcome: RegistryOutcome | undefined): string {
  if (outcome === undefined) return "not run";
  if (outcome.broken.length > 0) return `**does not hold**<br>${outcome.figures.map(showFigure).join("<br>")}`;
  return outcome.figures.filter(({ unit }) => unit !== "").map(showFigure).join("<br>") || "holds";
}
