// What test runners print of the tests that failed, cut out of everything else they print.
import type { Runtime } from "./process.ts";

/** Lines shown before a test's own line, where its error is. */
const MOST_LINES = 40;

/** A block of lines for each test that failed in a run, its error included; empty if all passed. */
export function readFailures(of: Runtime, output: string): readonly string[] {
  // deno-lint-ignore no-control-regex
  const lines = output.replaceAll(/\u001b\[[0-9;]*m/g, "").split(/\r?\n/);
  return readers[of](lines).map((block) => block.slice(-MOST_LINES).join("\n").trim()).filter((block) => block !== "");
}

const readers: Record<Runtime, (lines: readonly string[]) => string[][]> = {
  // The spec reporter repeats failures at the end of a run: "test at file:line:column", "✖ name (ms)", the error.
  node(lines) {
    const blocks: string[][] = [];
    let at: string[] | undefined;
    let listing = false;
    for (const line of lines) {
      if (/^✖ failing tests:$/.test(line)) listing = true;
      // Another file's run follows.
      else if (listing && /^(▶|✔|ℹ) /.test(line)) [listing, at] = [false, undefined];
      else if (listing && /^test at .+:\d+:\d+$/.test(line)) blocks.push(at = [line]);
      else if (at !== undefined && at.length < MOST_LINES) at.push(line);
    }
    return blocks;
  },

  // A test's error is printed before its own line.
  bun(lines) {
    const blocks: string[][] = [];
    let from = 0;
    lines.forEach((line, i) => {
      if (!/^\((pass|fail|skip|todo)\) |^\S+\.test\.ts:$/.test(line)) return;
      // It repeats the names of many failures at the end.
      const known = blocks.some((block) => block.at(-1) === line);
      if (line.startsWith("(fail) ") && !known) blocks.push(lines.slice(from, i + 1));
      from = i + 1;
    });
    return blocks;
  },

  // Errors are repeated at the end of each file: "name => ./file:line:column", the error, an empty line.
  deno(lines) {
    const blocks: string[][] = [];
    let at: string[] | undefined;
    let listing = false;
    for (const line of lines) {
      if (line.trim() === "ERRORS") listing = true;
      else if (line.trim() === "FAILURES") [listing, at] = [false, undefined];
      else if (listing && / => \S+:\d+:\d+$/.test(line)) blocks.push(at = [line]);
      else if (at !== undefined && at.length < MOST_LINES) at.push(line);
    }
    return blocks;
  },
};
