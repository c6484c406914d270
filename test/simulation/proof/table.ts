import { readFileSync, writeFileSync } from "node:fs";
import { OLD_FAULTS } from "./old-faults.ts";

const PAGE = new URL("../../../docs/testing.md", import.meta.url);
const BEGIN = "<!-- proof:begin: what follows is written by `npm run simulate:proof` -->";
const END = "<!-- proof:end -->";
const HEAD = [
  "| fault that was put back | invariant that saw it | seeds | virtual time | time of a core |",
  "| --- | --- | --- | --- | --- |",
];
const NOT_FOUND = "not found";

/** How it went to look for a fault. */
export interface Row {
  readonly name: string;
  readonly seeds: number;
  /** Undefined: none saw it. */
  readonly invariant: string | undefined;
  readonly virtualMs: number;
  readonly realMs: number;
}

/** The table of a page: by their faults' names, its rows. */
function rowsOf(page: string): Map<string, string> {
  const begin = page.indexOf(BEGIN), end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/testing.md lacks the marks ${BEGIN} and ${END}`);
  const rows = new Map<string, string>();
  for (const line of page.slice(begin, end).split("\n")) {
    const of = /^\| (.+?) \|/.exec(line)?.[1];
    if (of !== undefined) rows.set(of, line);
  }
  return rows;
}

/** The faults that a page's table says were found. */
export function foundIn(page: string): Set<string> {
  return new Set([...rowsOf(page)].flatMap(([name, line]) => line.includes(`| ${NOT_FOUND} |`) ? [] : [name]));
}

/** Puts a row into a page's table, in place of the former one; other rows stay, unless their faults are gone. */
export function withRow(page: string, { name, seeds, invariant, virtualMs, realMs }: Row): string {
  const rows = rowsOf(page), seen = invariant === undefined ? NOT_FOUND : `\`${invariant}\``;
  const hours = `${(virtualMs / 3_600_000).toFixed(1)} h`, seconds = `${(realMs / 1_000).toFixed(1)} s`;
  rows.set(name, `| ${[name, seen, seeds.toLocaleString("en"), hours, seconds].join(" | ")} |`);
  const table = [...HEAD, ...OLD_FAULTS.flatMap((fault) => rows.get(fault.name) ?? [])].join("\n");
  const text = `${BEGIN}\n\n<!-- deno-fmt-ignore-start -->\n\n${table}\n\n<!-- deno-fmt-ignore-end -->\n\n${END}`;
  return page.slice(0, page.indexOf(BEGIN)) + text + page.slice(page.indexOf(END) + END.length);
}

/** The faults that docs/testing.md says were found. */
export function foundFaults(): Set<string> {
  return foundIn(readFileSync(PAGE, "utf8"));
}

/** Puts a row into docs/testing.md. */
export function writeRow(row: Row): void {
  writeFileSync(PAGE, withRow(readFileSync(PAGE, "utf8"), row));
}
