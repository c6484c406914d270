// README's own path, from its install commands to its programs, as printed.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { block, freePorts, run, runCommands, withPorts } from "../docs/as-printed.ts";
import { executable, root, start } from "../support/process.ts";

/** A runtime that README's programs are tried on. */
export interface RuntimeUnderTest {
  readonly name: string;
  /** The word that README's commands begin with. */
  readonly command: "node" | "bun" | "deno";
  readonly program: string;
}

/** Does in an empty folder what README says under "Install". */
export function install(folder: string, tarball: string): void {
  runCommands(folder, block("README.md: Install (1)"), tarball);
  mkdirSync(join(folder, "proto"));
  copyFileSync(join(root, "proto/simple.proto"), join(folder, "proto/simple.proto"));
  writeFileSync(join(folder, "buf.gen.yaml"), block("README.md: Install (3)"));
  run(folder, "npx", "buf", "generate", "proto");
}

/** Runs README's server and client on a runtime, by README's command for it. */
export async function runServerAndClient(folder: string, runtime: RuntimeUnderTest, etcdUrl: string): Promise<void> {
  const ports = await freePorts(etcdUrl);
  for (const [file, name] of [["server.ts", "README.md: A server"], ["client.ts", "README.md: A client"]] as const) {
    writeFileSync(join(folder, file), withPorts(block(name), ports));
  }
  const commands = block("README.md: Run them (1)").trim().split("\n");
  const [, ...args] = commands.find((line) => line.startsWith(`${runtime.command} `))?.split(" ") ?? [];
  assert.ok(args.includes("server.ts"), `README says how to run server.ts with ${runtime.command}`);
  // A permission that is missing is an error rather than a question.
  const env = { DENO_NO_PROMPT: "1" };

  const server = start(runtime.program, args, { cwd: folder, env });
  try {
    await server.line(/type: ['"]registered['"]/, { timeoutMs: 60_000 });
    const words = args.map((word) => word === "server.ts" ? "client.ts" : word);
    const client = start(runtime.program, words, { cwd: folder, env });
    const { code } = await client.exited;
    assert.match(client.lines.join("\n"), /code: 200,\s+value: ['"]hello grpc 0['"]/, `the client on ${runtime.name}`);
    assert.equal(code, 0, client.lines.join("\n"));
    server.signal("SIGTERM");
    assert.equal((await server.exited).code, 0, server.lines.join("\n"));
  } finally {
    await server.kill();
  }
  console.log(`README's server and client, on ${runtime.name}: ${runtime.command} ${args.join(" ")}`);
}

/** Compiles README's server and client with its tsconfig.json, and checks their types on Deno. */
export function compile(folder: string): void {
  writeFileSync(join(folder, "tsconfig.json"), block("README.md: Run them (2)"));
  run(folder, "npx", "tsc");
  assert.match(readFileSync(join(folder, "dist/client.js"), "utf8"), /"\.\/gen\/simple_pb\.js"/);
  run(folder, executable("deno"), "check", "--quiet", "server.ts", "client.ts");
}
