// The faults of a source file, and what is said about each.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { equivalents } from "./equivalent.ts";
import type { Change } from "./job.ts";
import { type Mutant, mutantsOf } from "./operators.ts";

export interface Fault extends Mutant {
  readonly file: string;
  readonly line: number;
  /** The line as it is, and as it is with the fault. */
  readonly before: string;
  readonly after: string;
}

/** Each `every`th fault of a file, beginning with that of the index `from`. */
export function faultsIn(file: string, every = 1, from = 0): readonly Fault[] {
  const source = readFileSync(file, "utf8");
  return mutantsOf(source).filter((_, index) => index % every === from).map((mutant) => {
    const from = source.lastIndexOf("\n", mutant.start - 1) + 1;
    const to = (source.indexOf("\n", mutant.end) + 1 || source.length + 1) - 1;
    const after = source.slice(from, mutant.start) + mutant.text + source.slice(mutant.end, to);
    const trimmed = (text: string) => text.trim().replace(/\s+/g, " ");
    const line = source.slice(0, from).split("\n").length;
    return { ...mutant, file, line, before: trimmed(source.slice(from, to)), after: trimmed(after) };
  });
}

export function changeOf({ file, start, end, text }: Fault): Change {
  return { url: urlOf(file), start, end, text };
}

export function urlOf(file: string): string {
  return pathToFileURL(file).href;
}

export function isEquivalent({ file, before, after }: Fault): boolean {
  return equivalents.some((known) => known.file === file && known.before === before && known.after === after);
}

/** As it is printed when no test notices it. */
export function describeFault({ file, line, operator, before, after }: Fault): string {
  return `  ${file}:${line} ${operator}\n    - ${before}\n    + ${after}`;
}
