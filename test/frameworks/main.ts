/**
 * Installs Fastify, Express, NestJS, Jest and Vitest in new folders, and runs there the programs of the pages on them, as
 * printed: `npm run test:frameworks`. A server gets a call, then SIGTERM with a call in flight, which it has to answer.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { block, pack, runCommands } from "../docs/as-printed.ts";
import { startEtcdProcess } from "../examples/etcd-process.ts";
import { root } from "../support/process.ts";
import { runJest, runVitest } from "./jest.ts";
import { runNest } from "./nest.ts";
import { serveAndStop } from "./serve.ts";

const temporary = mkdtempSync(join(tmpdir(), "connect-lb-frameworks-"));
const etcd = await startEtcdProcess();

/** A project with the README's `proto/` and `gen/`, in which the commands of some blocks were run. */
function project(name: string, tarball: string, ...installs: string[]): string {
  const folder = join(temporary, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  for (const install of installs) runCommands(folder, block(install), tarball);
  cpSync(join(root, "gen/simple_pb.ts"), join(folder, "gen/simple_pb.ts"));
  cpSync(join(root, "proto/simple.proto"), join(folder, "proto/simple.proto"));
  return folder;
}

try {
  const tarball = pack(temporary);
  const page = "docs/fastify-express.md";
  const client = "README.md: A client";

  const fastify = project("fastify", tarball, `${page}: Fastify (1)`);
  await serveAndStop(fastify, { server: `${page}: Fastify (2)`, client, etcd: etcd.url });
  const express = project("express", tarball, `${page}: Express (1)`);
  await serveAndStop(express, { server: `${page}: Express (2)`, client, etcd: etcd.url });
  await serveAndStop(express, { server: `${page}: Express (3)`, client: `${page}: Express (4)`, etcd: etcd.url });

  const nest = "docs/nestjs-jest.md";
  await runNest(project("nest", tarball, `${nest}: NestJS (1)`), etcd.url);
  const jest = project("jest", tarball, "README.md: Install (1)", `${nest}: Jest (1)`);
  runJest(jest);
  runVitest(jest);
  console.log(`in ${Math.round(performance.now() / 1_000)} s`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await etcd.child.stop();
  rmSync(temporary, { recursive: true, force: true });
}
