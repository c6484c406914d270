// What test runners print at their end, read into one shape.
import type { Runtime } from "./process.ts";

/** How many tests of a run ended how. */
export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Reads the output of a runtime's test runner; undefined if it printed no summary, so did not come to its end. */
export function readSummary(of: Runtime, output: string): Summary | undefined {
  // deno-lint-ignore no-control-regex
  const lines = output.replaceAll(/\u001b\[[0-9;]*m/g, "").split(/\r?\n/);
  return readers[of](lines);
}

const readers: Record<Runtime, (lines: readonly string[]) => Summary | undefined> = {
  // The spec reporter marks its summary with "ℹ", the TAP reporter with "#".
  node(lines) {
    const counts = new Map<string, number>();
    for (const line of lines) {
      const match = line.match(/^(?:ℹ|#) (tests|pass|fail|cancelled|skipped|todo) (\d+)$/);
      if (match) counts.set(match[1] as string, Number(match[2]));
    }
    const count = (name: string) => counts.get(name) ?? 0;
    if (!counts.has("tests")) return undefined;
    return {
      passed: count("pass"),
      failed: count("fail") + count("cancelled"),
      skipped: count("skipped") + count("todo"),
    };
  },

  // One line per count, and none for a count of zero; "errors" are those thrown outside a test.
  bun(lines) {
    if (!lines.some((line) => /^Ran \d+ tests? across \d+ files?/.test(line))) return undefined;
    const counts = new Map<string, number>();
    for (const line of lines) {
      const match = line.match(/^ *(\d+) (pass|fail|skip|todo|error)s?$/);
      if (match) counts.set(match[2] as string, Number(match[1]));
    }
    const count = (name: string) => counts.get(name) ?? 0;
    return { passed: count("pass"), failed: count("fail") + count("error"), skipped: count("skip") + count("todo") };
  },

  // One line, in which a `describe` counts as a test and the tests in it as steps: the suites are taken off again.
  deno(lines) {
    const last = lines.findLast((line) => /^(ok|FAILED) \| \d+ passed/.test(line));
    if (last === undefined) return undefined;
    const count = (word: string) => {
      const match = last.match(new RegExp(`(\\d+) ${word}(?: \\((\\d+) steps?\\))?`));
      return match ? Number(match[1]) + Number(match[2] ?? 0) : 0;
    };
    const suites = countDenoSuites(lines);
    return {
      passed: count("passed") - suites.passed,
      failed: count("failed") - suites.failed,
      skipped: count("ignored") - suites.skipped,
    };
  },
};

/** A suite is what printed `name ...`, then lines of its own that are indented deeper, then `name ... ok`. */
function countDenoSuites(lines: readonly string[]): Summary {
  const suites = { passed: 0, failed: 0, skipped: 0 };
  const open: { indent: number; name: string; parent: boolean }[] = [];
  let printed = false;
  for (const line of lines) {
    if (/^-+ .*output (end )?-+$/.test(line)) {
      printed = !line.includes("output end");
      continue;
    }
    const match = printed ? null : line.match(/^( *)(\S.*) \.\.\.(?: (ok|FAILED|ignored)\b.*)?$/);
    if (!match) continue;
    const [, spaces = "", name = "", result] = match;
    const indent = spaces.length;
    const top = open.at(-1);
    if (result !== undefined && top?.indent === indent && top.name === name) {
      open.pop();
      if (top.parent) suites[result === "ok" ? "passed" : result === "FAILED" ? "failed" : "skipped"]++;
      continue;
    }
    if (top !== undefined && indent > top.indent) top.parent = true;
    if (result === undefined) open.push({ indent, name, parent: false });
  }
  return suites;
}
