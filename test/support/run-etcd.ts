// `npm run test:etcd -- 3.6.16`: what the registry does on a version of etcd, which is built first if need be: its tests
// on Node, Bun and Deno, then its chaos in short forms.
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import process from "node:process";
import { buildEtcd } from "./build-etcd.ts";
import { commandLine } from "./command-line.ts";
import { hasGo } from "./go.ts";
import { executable, root } from "./process.ts";

const USAGE = `Runs the registry's tests and its chaos on versions of etcd, built from the Go module proxy if need be.

  npm run test:etcd -- [options] <version …>      such as 3.6.16

  --contract   only what holds etcd, its drivers and the etcd in memory to one contract; on Node; without chaos
  --chaos      only the chaos, whole
  --if-go      does nothing where there is no Go to build etcd with
  --help       this text

Without options: the tests on all runtimes, and the chaos in short forms; about ten minutes a version.`;

const { values, positionals: versions } = commandLine(USAGE, {
  options: {
    contract: { type: "boolean", default: false },
    chaos: { type: "boolean", default: false },
    "if-go": { type: "boolean", default: false },
  },
  allowPositionals: true,
});
if (versions.length === 0) {
  console.error(USAGE);
  process.exit(2);
}
if (values["if-go"] && !hasGo()) {
  console.log(`Left out: tests on etcd ${versions.join(", ")}, which needs Go to be built.`);
  process.exit(0);
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const CHAOS = "test/chaos/registry/main.ts";
const contract = globSync("test/etcd/*contract*.test.ts", { cwd: root });
const all = [...globSync("test/etcd/*.test.ts", { cwd: root }), "test/peers/etcd.test.ts", "test/support/etcd.test.ts"];
const failed: string[] = [];
for (const version of versions) {
  const path = `${buildEtcd(version)}:${process.env["PATH"]}`;
  const step = async (name: string, runtime: "node" | "bun" | "deno", args: readonly string[]) => {
    console.log(`\n── etcd ${version}: ${name}\n`);
    if (!await succeeds(executable(runtime), args, path)) failed.push(`etcd ${version}: ${name}`);
  };
  const node = ["--import", "./test/support/node_exit.ts", "--test", "--test-timeout=300000", "--test-concurrency=2"];
  // Every driver named: a whole run would write its figures into docs/reliability.md.
  const chaos = [CHAOS, "--drivers=connect,etcd3,gateway"];
  if (values.contract) {
    await step("contract", "node", [...node, ...contract]);
  } else if (values.chaos) {
    await step("chaos", "node", chaos);
  } else {
    await step("tests on Node", "node", [...node, ...all]);
    await step("tests on Bun", "bun", [
      "test",
      "--parallel=2",
      "--timeout",
      "300000",
      ...all.map((file) => `./${file}`),
    ]);
    await step("tests on Deno", "node", ["test/support/run-deno.ts", ...all]);
    await step("chaos in short forms", "node", [...chaos, "--quick"]);
  }
}
console.log(
  failed.length === 0 ? `\nAll of it holds on etcd ${versions.join(", ")}.` : `\nFailed: ${failed.join("; ")}`,
);
process.exit(failed.length === 0 ? 0 : 1);

function succeeds(command: string, args: readonly string[], path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: "inherit", env: { ...process.env, PATH: path } });
    const end = () => void child.kill("SIGTERM");
    process.once("exit", end);
    child.once("error", () => resolve(false));
    child.once("exit", (code) => {
      process.off("exit", end);
      resolve(code === 0);
    });
  });
}
