// Runs the code blocks of README.md and docs/ in the folder where README's programs are, all of a runtime in one process.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts, withPorts } from "../docs/as-printed.ts";
import { allBlocks } from "../docs/blocks.ts";
import { ruleOf } from "../docs/rules.ts";
import { root, start } from "../support/process.ts";
import type { RuntimeUnderTest } from "./readme.ts";

/** Run by themselves before. */
const PROGRAMS = ["README.md: A server", "README.md: A client"];

/** Runs all blocks that can be; throws with the output of the first that fails. */
export async function runPages(folder: string, runtime: RuntimeUnderTest, etcdUrl: string): Promise<void> {
  const ports = await freePorts(etcdUrl);
  rmSync(join(folder, "blocks"), { recursive: true, force: true });
  mkdirSync(join(folder, "blocks"));
  const files: string[] = [];
  for (const block of allBlocks()) {
    const rule = ruleOf(block);
    if (rule.kind !== "run" || PROGRAMS.includes(block.name)) continue;
    if (rule.needsNode24 && runtime.name === "Node 22") {
      console.log(`left out on ${runtime.name}: ${block.name}`);
      continue;
    }
    const file = `block-${files.length}.ts`;
    files.push(JSON.stringify({ name: block.name, file }));
    const text = withPorts(block.text, ports).replaceAll('"./gen/', '"../gen/');
    writeFileSync(join(folder, "blocks", file), `${text}export {};\n`);
  }
  for (const name of ["ca.pem", "client.pem", "client-key.pem"]) {
    copyFileSync(join(root, "test/support/tls", name), join(folder, name));
  }
  copyFileSync(join(root, "test/package/run-blocks.ts"), join(folder, "run-blocks.ts"));
  const before = runtime.command === "deno" ? ["run", "-A", "--no-check"] : [];
  const args = [...before, "run-blocks.ts", etcdUrl, ...files];
  const child = start(runtime.program, args, { cwd: folder, env: { ETCD_PASSWORD: "secret" } });
  const { code } = await child.exited;
  assert.equal(code, 0, `the blocks of the pages on ${runtime.name}:\n${child.lines.join("\n")}`);
  assert.ok(child.lines.includes(`ran ${files.length} blocks`), child.lines.join("\n"));
  console.log(`${files.length} code blocks of the pages and of descriptions, on ${runtime.name}`);
}
