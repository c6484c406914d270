/**
 * Measures what connect-lb adds to a bundle, and fails if that is more than `bounds.ts` allows. `npm run size` prints
 * the figures and writes them to docs/performance.md; `npm run check` only compares them with the bounds.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "../../support/process.ts";
import { ENTRIES, type Entry, NOT_MEASURED } from "./bounds.ts";
import type { Size } from "./measure.ts";

const PAGE = join(root, "docs/performance.md");
const BEGIN = "<!-- size:begin: what follows is written by `npm run size` -->";
const END = "<!-- size:end -->";

const { measure } = await import("./measure.ts").catch((error: unknown) => {
  if ((error as { code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw error;
  console.error("esbuild is not installed: run `npm install`");
  process.exit(1);
});

/** What a file of `entries/` weighs. */
interface Measured extends Entry {
  readonly own: Size;
  readonly all: Size;
}

const measured: Measured[] = [];
for (const entry of ENTRIES) {
  const own = await measure(entry.name, { peers: false });
  const all = await measure(entry.name, { peers: true });
  measured.push({ ...entry, own, all });
}

const tooLarge = measured.flatMap(({ name, own, ownBytes, all, allBytes }) => [
  ...above(`${name}, without its peers,`, own, ownBytes),
  ...above(`${name}, with everything,`, all, allBytes),
]);
for (const text of tooLarge) console.error(text);
if (tooLarge.length > 0) {
  console.error("Make it smaller, or raise the bound in test/package/size/bounds.ts in a commit that says what for.");
  process.exitCode = 1;
}

for (const name of unmeasured()) {
  console.error(`No bundle of test/package/size/entries/ has "${name}": add one, with its bounds`);
  process.exitCode = 1;
}

if (process.argv.includes("--write")) {
  console.log(table());
  const page = readFileSync(PAGE, "utf8");
  const begin = page.indexOf(BEGIN), end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md lacks the marks ${BEGIN} and ${END}`);
  writeFileSync(PAGE, `${page.slice(0, begin)}${BEGIN}\n\n${table()}\n\n${page.slice(end)}`);
}

/** The package's entry points that no file of `entries/` imports. */
function unmeasured(): readonly string[] {
  const folder = join(root, "test/package/size/entries");
  const imports = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8")).join("\n");
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { exports: object };
  return Object.keys(exports).filter((name) => {
    return !NOT_MEASURED.includes(name) && !imports.includes(`/src/${name === "." ? "index" : name.slice(2)}.ts"`);
  });
}

function above(what: string, { gzipped }: Size, bound: number): string[] {
  return gzipped <= bound ? [] : [`${what} is ${gzipped} bytes after gzip: its bound is ${bound}`];
}

/** A table as the formatter leaves it. */
function table(): string {
  const header = ["bundle", "own code, kB", "after gzip", "with peers, kB", "after gzip"];
  const rows = measured.map(({ holds, own, all }) => {
    return [
      holds,
      ...[own.minified, own.gzipped, all.minified, all.gzipped].map((bytes) => (bytes / 1_000).toFixed(1)),
    ];
  });
  const widths = header.map((text, i) =>
    Math.max(...[text, ...rows.map((row) => row[i]!)].map(({ length }) => length))
  );
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
