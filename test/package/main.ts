/**
 * Installs the package as npm would publish it in a new folder, as README.md says, and does there what users would: a
 * program and `require` on Node 22, the oldest that is supported; README's server and client, and the code blocks of all
 * pages, on each runtime; type checks, bundles and single executables; and on Deno README's programs once more, as
 * installed from JSR. `npm run test:package`.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pack, run } from "../docs/as-printed.ts";
import { startEtcdProcess } from "../examples/etcd-process.ts";
import { executable, root } from "../support/process.ts";
import { checkBundles } from "./bundles.ts";
import { runCommand, runVersion } from "./command.ts";
import { checkContents, checkLinks } from "./contents.ts";
import { checkNeeds, serveJsr } from "./jsr.ts";
import { runPages } from "./pages.ts";
import {
  compile,
  install,
  installOnBun,
  installOnDeno,
  runServerAndClient,
  runSingleExecutables,
  type RuntimeUnderTest,
} from "./readme.ts";
import { checkTypes } from "./types.ts";

const temporary = mkdtempSync(join(tmpdir(), "connect-lb-package-"));
const project = join(temporary, "project");
const node22 = join(temporary, "node22");
const [onBun, onDeno] = [join(temporary, "bun"), join(temporary, "deno")];
for (const folder of [project, node22, onBun, onDeno]) mkdirSync(folder);
const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { exports: object };
/** What users import. */
const entries = Object.keys(exports).filter((name) => name !== "./package.json").map((name) =>
  `connect-lb${name.slice(1)}`
);
const COMMAND_ON_JSR = "jsr:@connect-lb/connect-lb/cli";
const etcd = await startEtcdProcess();
const jsr = await serveJsr();
try {
  writeFileSync(join(node22, "package.json"), JSON.stringify({ private: true, allowScripts: { node: true } }));
  run(node22, "npm", "install", "--no-audit", "--no-fund", "node@22");
  const runtimes: RuntimeUnderTest[] = [
    { name: "Node 22", command: "node", program: join(node22, "node_modules/.bin/node") },
    { name: "Node 24", command: "node", program: executable("node") },
    { name: "Bun", command: "bun", program: executable("bun") },
    { name: "Deno", command: "deno", program: executable("deno") },
  ];

  const tarball = pack(temporary);
  install(project, tarball);
  copyFileSync(join(root, "test/package/program.mjs"), join(project, "program.mjs"));
  run(project, join(node22, "node_modules/.bin/node"), "program.mjs");
  const load = `for (const entry of ${JSON.stringify(entries)}) require(entry)`;
  run(project, join(node22, "node_modules/.bin/node"), "--input-type=commonjs", "--eval", load);
  for (const runtime of runtimes) await runServerAndClient(project, runtime, etcd.url);
  for (const { program, command } of runtimes) {
    const run = command === "deno" ? ["run", "-A", "--quiet"] : [];
    await runCommand({ folder: project, words: [program, ...run, "node_modules/connect-lb/dist/src/cli.js"] });
  }
  await runVersion({ folder: project, words: ["npx", "connect-lb"] });
  await runVersion({ folder: project, words: [executable("bun"), "x", "--bun", "connect-lb"] });
  compile(project);
  checkContents(join(project, "node_modules/connect-lb"));
  checkTypes(project, entries);
  await checkBundles(project);
  await runSingleExecutables(project, etcd.url);
  installOnBun(onBun, join(project, "gen"), tarball);
  const bun: RuntimeUnderTest = { name: "Bun, installed by it", command: "bun", program: executable("bun") };
  await runServerAndClient(onBun, bun, etcd.url);
  const env = await installOnDeno(onDeno, join(project, "gen"), jsr.url);
  checkLinks(
    (path) => [...jsr.files.keys()].some((file) => file === path || file.startsWith(`${path}/`)),
    (path) => jsr.files.get(path)!,
  );
  await checkNeeds(temporary, env);
  await runServerAndClient(
    onDeno,
    { name: "Deno, from JSR", command: "deno", program: executable("deno") },
    etcd.url,
    env,
  );

  await runCommand({ folder: onDeno, words: [executable("deno"), "run", "-A", COMMAND_ON_JSR], env });

  // What docs/etcd.md says for its block on that package, and docs/server.md and docs/usage.md for the others.
  run(project, "npm", "install", "--no-audit", "--no-fund", "etcd3@1", "@connectrpc/connect-node@2");
  for (const runtime of runtimes) await runPages(project, runtime, etcd.url);
  console.log(`in ${Math.round(performance.now() / 1_000)} s`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  jsr.close();
  await etcd.child.stop();
  rmSync(temporary, { recursive: true, force: true });
}
