// `npm run test:deno`: the tests on Deno, a process for each folder of test/. Deno's own node:http2 servers end their
// process at times (an assertion in nghttp2, or a segmentation fault, some time after other clients than ours left), which
// no test can prevent: a folder whose process died so is run again, and the run says it. Folders or files can be named.
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import process from "node:process";
import { executable, root } from "./process.ts";
import { readSummary } from "./summary.ts";

const MOST_RUNS = 4;

const named = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };
for (const group of named.length > 0 ? [named] : groups()) {
  for (let runs = 1;; runs++) {
    const { output, code, signal } = await run(group);
    const summary = readSummary("deno", output);
    const died = signal === "SIGABRT" || signal === "SIGSEGV";
    if (summary === undefined && died && runs < MOST_RUNS) {
      console.log(`\nDeno itself died of ${signal} in ${group.join(" ")}: run ${runs + 1} of it\n`);
      continue;
    }
    if (summary === undefined || (summary.failed === 0 && code !== 0)) {
      console.log(`\n${group.join(" ")}: ended with ${signal ?? `code ${code}`}`);
      total.failed++;
    }
    for (const count of ["passed", "failed", "skipped"] as const) total[count] += summary?.[count] ?? 0;
    break;
  }
}
const { passed, failed, skipped } = total;
console.log(`\nℹ tests ${passed + failed + skipped}\nℹ pass ${passed}\nℹ fail ${failed}\nℹ skipped ${skipped}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

/** The test files by folder of test/; those in test/ itself are a group, too. */
function groups(): string[][] {
  const byFolder = new Map<string, string[]>();
  for (const file of globSync("test/**/*.test.ts", { cwd: root }).sort()) {
    const folder = file.split(/[\\/]/).slice(0, -1)[1] ?? "";
    byFolder.set(folder, [...byFolder.get(folder) ?? [], file]);
  }
  return [...byFolder.values()];
}

function run(files: readonly string[]): Promise<{ output: string; code: number | null; signal: string | null }> {
  return new Promise((resolve) => {
    const options = ["test", "-A", "--no-check", "--preload", "./test/support/deno_guard.ts"];
    const child = spawn(executable("deno"), [...options, ...files], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
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
