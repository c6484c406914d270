import { readFileSync, writeFileSync } from "node:fs";
import { OLD_FAULTS } from "./old-faults.ts";

const PAGE = new URL("../../../docs/testing.md", import.meta.url);
const BEGIN = "<!-- proof:begin: what follows is written by `npm run simulate:proof` -->";
const END = "<!-- proof:end -->";
const HEAD = [
  "| fault that was put back | invariant that saw it | seeds | virtual time | time of a core |",
  "| --- | --- | --- | --- | --- |",
];

/** How it went to look for a fault. */
export interface Row {
  readonly name: string;
  readonly seeds: number;
  /** Undefined: none saw it. */
  readonly invariant: string | undefined;
  readonly virtualMs: number;
  readonly realMs: number;
}

/** Puts a row into the page's table, in place of the former one; other rows stay, unless their faults are gone. */
export function writeRow({ name, seeds, invariant, virtualMs, realMs }: Row): void {
  const page = readFileSync(PAGE, "utf8"), begin = page.indexOf(BEGIN), end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/testing.md lacks the marks ${BEGIN} and ${END}`);
  const rows = new Map<string, string>();
  for (const line of page.slice(begin, end).split("\n")) {
    const of = /^\| (.+?) \|/.exec(line)?.[1];
    if (of !== undefined) rows.set(of, line);
  }
  const seen = invariant === undefined ? "not found" : `\`${invariant}\``;
  const hours = `${(virtualMs / 3_600_000).toFixed(1)} h`, seconds = `${(realMs / 1_000).toFixed(1)} s`;
  rows.set(name, `| ${[name, seen, seeds.toLocaleString("en"), hours, seconds].join(" | ")} |`);
  const table = [...HEAD, ...OLD_FAULTS.flatMap((fault) => rows.get(fault.name) ?? [])].join("\n");
  const text = `${BEGIN}\n\n<!-- deno-fmt-ignore-start -->\n\n${table}\n\n<!-- deno-fmt-ignore-end -->\n\n${END}`;
  writeFileSync(PAGE, page.slice(0, begin) + text + page.slice(end + END.length));
}
