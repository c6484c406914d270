// The table of docs/runtimes.md: each ✓ names tests that there are, and each "no" a limit that is described.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { root } from "../support/process.ts";

const page = readFileSync(join(root, "docs/runtimes.md"), "utf8");

/** The rows of the table under a heading, without its head. */
function rowsUnder(heading: string): string[][] {
  const [, section = ""] = page.split(`### ${heading}\n`);
  const lines = section.split(/^#+ /m)[0]!.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

const tests = new Map(rowsUnder("The tests").map(([number = "", file = "", title = ""]) => [number, { file, title }]));
const limits = new Set([...page.split("## Limits of the platforms\n")[1]!.matchAll(/^(\d+)\. /gm)].map(([, n]) => n));

/** The cells that say whether something works, with their rows. */
const cells = [...rowsUnder("Calls"), ...rowsUnder("Registries"), ...rowsUnder("Servers")].flatMap((row) =>
  row.slice(3).map((cell) => ({ row: row.slice(0, 3).join(", "), cell }))
);

/** The numbers of the tests that a cell names. */
const testsOf = (cell: string) => (/✓ ([\d, ]*\d)/.exec(cell)?.[1] ?? "").split(", ").filter((number) => number !== "");

describe("the table of what works where", () => {
  it("has rows, tests and limits", () => {
    assert.ok(cells.length > 100 && tests.size > 20 && limits.size > 5, `${[cells.length, tests.size, limits.size]}`);
  });

  it("names a test for each ✓, a limit for each no, and else what to use", () => {
    for (const { row, cell } of cells) {
      if (cell.includes("✓")) assert.ok(testsOf(cell).length > 0, `${row}: ${cell}`);
      else if (!cell.startsWith("use ") && !cell.startsWith("ask ")) assert.match(cell, /^no: \[L\d+\]\[l\]/, row);
      for (const number of testsOf(cell)) assert.ok(tests.has(number), `${row}: ${cell}: there is no test ${number}`);
      for (const [, limit] of cell.matchAll(/\[L(\d+)\]/g)) assert.ok(limits.has(limit), `${row}: ${cell}`);
    }
  });

  it("names no test in vain", () => {
    const named = new Set(cells.flatMap(({ cell }) => testsOf(cell)));
    assert.deepEqual([...tests.keys()].filter((number) => !named.has(number)), []);
  });

  for (const [number, { file, title }] of tests) {
    it(`has a test ${number}: ${title}`, () => {
      const path = join(root, file.replaceAll("`", ""));
      assert.ok(existsSync(path), `${file} doesn't exist`);
      // A title may go on with what differs.
      const starts = [`"${title}`, `\`${title}`].map((literal) => `(${literal}`);
      const source = readFileSync(path, "utf8").replaceAll(/\(\s+(?=["`])/g, "(");
      assert.ok(starts.some((start) => source.includes(start)), `${file} has no test "${title}"`);
    });
  }
});
