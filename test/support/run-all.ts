// `npm test`: the tests on one runtime after another, then what ran where. The last line is the total.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { readFailures } from "./failures.ts";
import { root, type Runtime } from "./process.ts";
import { readSummary, type Summary } from "./summary.ts";
import { ensure, type Group, GROUPS, installCommand, installs, missing, skipped } from "./system.ts";

const MINUTES = "about 20 minutes on two idle cores";

/** The scripts of package.json in the order they run, and whose summary each prints. Those it doesn't have are left out. */
const suites: readonly { script: string; name: string; runner: Runtime; errors?: Runtime }[] = [
  { script: "test:node", name: "Node", runner: "node" },
  { script: "test:bun", name: "Bun", runner: "bun" },
  { script: "test:deno", name: "Deno", runner: "node", errors: "deno" },
  { script: "test:edge", name: "workerd", runner: "node" },
];

interface Outcome extends Summary {
  readonly name: string;
  /** Undefined: the run was whole and clean. */
  readonly trouble?: string;
  /** What was printed of each test that failed. */
  readonly failures: readonly string[];
}

// Most of the many Node processes load the same modules: they keep them compiled.
process.env["NODE_COMPILE_CACHE"] ??= `${root}.tmp/node`;

const groups = Object.keys(GROUPS) as Group[];
const needed = groups.filter((group) => skipped(group) === false);
const left = groups.map(skipped).filter((why) => why !== false);
announce();
try {
  ensure(...needed);
} catch (error) {
  console.error((error as Error).message);
  console.log("0 passed, 1 failed, 0 skipped");
  process.exit(1);
}

const { scripts } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { scripts: Record<string, string> };
const outcomes: Outcome[] = [];
for (const suite of suites) {
  if (scripts[suite.script] === undefined) continue;
  console.log(`\n── ${suite.name}: ${scripts[suite.script]}\n`);
  const ran = await run(suite.script);
  const failures = readFailures(suite.errors ?? suite.runner, ran.output);
  outcomes.push({ ...judge(suite.name, suite.runner, ran), failures });
}
process.exitCode = report(outcomes) ? 0 : 1;

/** What is about to happen, before any of it does. */
function announce(): void {
  console.log(
    `Runs all tests on Node, Bun, Deno and workerd, one after another: ${MINUTES}, longer on a busy machine.`,
  );
  const programs = missing(needed);
  if (programs.length > 0 && installs()) {
    console.log(`Before that it installs, as root: ${installCommand(programs)}`);
    console.log("CONNECT_LB_SKIP_SYSTEM=1 installs nothing and leaves out the tests that need such programs.");
  }
  for (const why of new Set(left)) console.log(`${why}.`);
}

interface Run {
  readonly output: string;
  readonly code: number | null;
  readonly signal: string | null;
}

/** Runs a script of package.json; what it prints is shown as it comes. */
function run(script: string): Promise<Run> {
  return new Promise((resolve) => {
    // npm puts node_modules/.bin on the PATH, where the runtimes are; under `npm test` it says where it is itself.
    const npm = process.env["npm_execpath"];
    const [command, ...before] = npm === undefined ? ["npm"] : [process.execPath, npm];
    const child = spawn(command as string, [...before, "run", "--silent", script], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const [from, to] of [[child.stdout, process.stdout], [child.stderr, process.stderr]] as const) {
      from.setEncoding("utf8");
      from.on("data", (text: string) => {
        output += text;
        to.write(text);
      });
    }
    child.once("error", (error) => resolve({ output: String(error), code: null, signal: null }));
    child.once("close", (code, signal) => resolve({ output, code, signal }));
  });
}

/** A run that did not come to its end, ran nothing, or failed outside its tests counts as one failure more. */
function judge(name: string, runner: Runtime, { output, code, signal }: Run): Omit<Outcome, "failures"> {
  const summary = readSummary(runner, output);
  const none: Summary = { passed: 0, failed: 0, skipped: 0 };
  const end = signal === null ? `code ${code}` : `signal ${signal}`;
  // A shell between npm and the runner turns the signal that killed the runner into 128 + its number.
  const killed = signal !== null || (code !== null && code > 128) ? "was killed" : "ended";
  const trouble = summary === undefined
    ? `${killed} (${end}) before it printed a summary`
    : summary.passed + summary.failed === 0
    ? `ran no tests (${end})`
    : summary.failed === 0 && code !== 0
    ? `${killed} (${end}) although no test failed`
    : undefined;
  const counted = summary ?? none;
  if (trouble === undefined) return { name, ...counted };
  return { name, ...counted, failed: counted.failed + 1, trouble };
}

/** Prints the table and the total; true if all is well. */
function report(outcomes: readonly Outcome[]): boolean {
  const sum = (pick: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + pick(outcome), 0);
  const [passed, failed, skipped] = [sum((o) => o.passed), sum((o) => o.failed), sum((o) => o.skipped)];

  const row = (...cells: (string | number)[]) =>
    cells.map((cell, i) => (i === 0 ? String(cell).padEnd(10) : String(cell).padStart(8))).join("");
  // They may have scrolled away long ago, and a log may keep only its end.
  for (const { name, failures } of outcomes) {
    for (const failure of failures) console.log(`\n── failed on ${name}\n${failure}`);
  }
  console.log(`\n${row("runtime", "tests", "passed", "failed", "skipped")}`);
  for (const o of outcomes) console.log(row(o.name, o.passed + o.failed + o.skipped, o.passed, o.failed, o.skipped));
  console.log();
  for (const { name, trouble } of outcomes) if (trouble !== undefined) console.log(`${name}: the test run ${trouble}.`);
  for (const why of new Set(left)) console.log(`Left out: ${why}.`);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return outcomes.length > 0 && failed === 0;
}
