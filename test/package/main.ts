/**
 * Installs the package as npm would publish it beside its peers, and runs a program that uses it on Node 22, the oldest
 * that it supports: `npm run test:package`.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const folder = mkdtempSync(join(tmpdir(), "connect-lb-package-"));

/** Runs a command; its output goes to this one's. */
function run(cwd: string, command: string, ...args: string[]): void {
  console.log(`$ ${command} ${args.join(" ")}`);
  execFileSync(command, args, { cwd, stdio: "inherit" });
}

try {
  run(root, "npm", "pack", "--silent", "--pack-destination", folder);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("npm pack wrote no package");
  const manifest = { private: true, type: "module", allowScripts: { node: true } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  const peers = ["@connectrpc/connect@^2", "@connectrpc/connect-node@^2", "@bufbuild/protobuf@^2"];
  run(folder, "npm", "install", "--no-audit", "--no-fund", `./${tarball}`, ...peers, "node@22");
  copyFileSync(join(here, "program.mjs"), join(folder, "program.mjs"));
  run(folder, join(folder, "node_modules/.bin/node"), "program.mjs");
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
