// `npm run test:deno`: the tests on Deno, a process for each folder of test/. Deno's own node:http2 servers end their
// process at times (an assertion in nghttp2, or a segmentation fault, some time after other clients than ours left), which
// no test can prevent: a folder whose process died so is run again, and the end says so, unless a test had failed by
// then or Deno has died too often in this run. Folders or files can be named.
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import process from "node:process";
import { executable, root } from "./process.ts";
import { readSummary } from "./summary.ts";

/** How often Deno may die in all: more than that is no chance any more, but a change here that makes it die. */
const MOST_DEATHS = 2;

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const named = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };
const deaths: string[] = [];
for (const [name, group] of named.length > 0 ? [[named.join(" "), named] as const] : groups()) {
  for (let runs = 1;; runs++) {
    const { output, code, signal } = await run(group);
    const summary = readSummary("deno", output);
    const died = summary === undefined && (signal === "SIGABRT" || signal === "SIGSEGV");
    if (died) {
      deaths.push(`Deno itself died of ${signal} in run ${runs} of ${name}`);
      if (!/ \.\.\. \S*FAILED/.test(output) && deaths.length <= MOST_DEATHS) {
        console.log(`\n${deaths.at(-1)}: once more\n`);
        continue;
      }
    }
    if (summary === undefined || (summary.failed === 0 && code !== 0)) {
      console.log(`\n${name}: ended with ${signal ?? `code ${code}`}`);
      total.failed++;
    }
    for (const count of ["passed", "failed", "skipped"] as const) total[count] += summary?.[count] ?? 0;
    break;
  }
}
const { passed, failed, skipped } = total;
for (const death of deaths) console.log(death);
if (deaths.length > MOST_DEATHS) console.log(`Deno died more than ${MOST_DEATHS} times, which fails this run.`);
console.log(`\nℹ tests ${passed + failed + skipped}\nℹ pass ${passed}\nℹ fail ${failed}\nℹ skipped ${skipped}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

/** The test files by folder of test/, each with its name; those in test/ itself are a group, too. */
function groups(): Map<string, string[]> {
  const byFolder = new Map<string, string[]>();
  for (const file of globSync("test/**/*.test.ts", { cwd: root }).sort()) {
    const folder = file.split(/[\\/]/).slice(0, -1).slice(0, 2).join("/");
    byFolder.set(folder, [...byFolder.get(folder) ?? [], file]);
  }
  return byFolder;
}

function run(files: readonly string[]): Promise<{ output: string; code: number | null; signal: string | null }> {
  return new Promise((resolve) => {
    const options = ["test", "-A", "--no-check", "--preload", "./test/support/deno_guard.ts"];
    const child = spawn(executable("deno"), [...options, ...files], {
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
    let output = "";
    for (const [from, to] of [[child.stdout, process.stdout], [child.stderr, process.stderr]] as const) {
      from.setEncoding("utf8");
      from.on("data", (text: string) => {
        output += text;
        to.write(text);
      });
    }
    child.once("error", (error) => resolve({ output: String(error), code: null, signal: null }));
    child.once("exit", endGroup);
    child.once("close", (code, signal) => {
      process.off("exit", endGroup);
      resolve({ output, code, signal });
    });
  });
}
