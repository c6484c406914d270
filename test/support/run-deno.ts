// `npm run test:deno`: the tests on Deno, a process for each file, three at a time. Deno's own node:http2 servers end their
// process at times (an assertion in nghttp2, or a segmentation fault, some time after other clients than ours left), which
// no test can prevent: a file whose process died so is run again, and the end says so, unless a test had failed by then or
// Deno has died too often in this run. Files can be named.
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import process from "node:process";
import { executable, root } from "./process.ts";
import { readSummary } from "./summary.ts";

const AT_ONCE = 3;
/** How long a process may take, in milliseconds: many times what the longest takes. */
const LIMIT_MS = 600_000;
/** How often Deno may die in all: more than that is no chance any more, but a change here that makes it die. */
const MOST_DEATHS = 2;

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const named = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };
const deaths: string[] = [];
const waiting = named.length > 0 ? named : globSync("test/**/*.test.ts", { cwd: root }).sort();
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) await runFile(file);
}));
const { passed, failed, skipped } = total;
for (const death of deaths) console.log(death);
if (deaths.length > MOST_DEATHS) console.log(`Deno died more than ${MOST_DEATHS} times, which fails this run.`);
console.log(`\nℹ tests ${passed + failed + skipped}\nℹ pass ${passed}\nℹ fail ${failed}\nℹ skipped ${skipped}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

/** Runs a file, again if Deno itself dies, and counts what became of its tests. */
async function runFile(file: string): Promise<void> {
  for (let runs = 1;; runs++) {
    const { output, code, signal } = await run(file);
    console.log(output);
    const summary = readSummary("deno", output);
    const died = summary === undefined && (signal === "SIGABRT" || signal === "SIGSEGV");
    if (died) {
      deaths.push(`Deno itself died of ${signal} in run ${runs} of ${file}`);
      if (!/ \.\.\. \S*FAILED/.test(output) && deaths.length <= MOST_DEATHS) {
        console.log(`\n${deaths.at(-1)}: once more\n`);
        continue;
      }
    }
    const ran = summary === undefined ? 0 : summary.passed + summary.failed + summary.skipped;
    if (ran === 0 || (summary?.failed === 0 && code !== 0)) {
      console.log(`\n${file}: ended with ${signal ?? `code ${code}`} after ${ran} tests`);
      total.failed++;
    }
    for (const count of ["passed", "failed", "skipped"] as const) total[count] += summary?.[count] ?? 0;
    return;
  }
}

/** What the process of a file printed, and how it ended. */
function run(file: string): Promise<{ output: string; code: number | null; signal: string | null }> {
  return new Promise((resolve) => {
    const options = ["test", "-A", "--no-check", "--preload", "./test/support/deno_guard.ts"];
    const child = spawn(executable("deno"), [...options, file], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: what a dead run started is ended with it.
      detached: true,
    });
    const endGroup = () => {
      try {
        process.kill(-(child.pid as number), "SIGKILL");
      } catch { /* All of it has ended by itself. */ }
    };
    process.once("exit", endGroup);
    const limit = setTimeout(endGroup, LIMIT_MS);
    let output = "";
    for (const from of [child.stdout, child.stderr]) {
      from.setEncoding("utf8");
      from.on("data", (text: string) => output += text);
    }
    child.once("error", (error) => resolve({ output: String(error), code: null, signal: null }));
    child.once("exit", endGroup);
    child.once("close", (code, signal) => {
      clearTimeout(limit);
      process.off("exit", endGroup);
      resolve({ output, code, signal });
    });
  });
}
