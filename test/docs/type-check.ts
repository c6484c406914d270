// Type-checks code blocks as a user's files, with the compiler of a runtime: `deno check` on Deno, elsewhere tsc with the
// runtime's own types.
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { executable, root, type Runtime } from "../support/process.ts";
import type { Block } from "./blocks.ts";
import { GIVEN } from "./rules.ts";

/** The package's names for a user, and the files behind them here. */
const ENTRIES = {
  "connect-lb": "index",
  "connect-lb/fetch": "fetch",
  "connect-lb/etcd": "etcd",
  "connect-lb/workers": "workers",
  "connect-lb/etcd3": "etcd3",
  "connect-lb/etcd-gateway": "etcd-gateway",
  "connect-lb/consul": "consul",
  "connect-lb/kubernetes": "kubernetes",
  "connect-lb/node": "node",
  "connect-lb/server": "server",
  "connect-lb/server-fetch": "server-fetch",
  "connect-lb/service-config": "service-config",
  "connect-lb/otel": "otel",
  "connect-lb/page": "page",
  "connect-lb/channelz": "channelz",
  "connect-lb/look-aside": "look-aside",
  "connect-lb/testing": "testing",
};

/** What workerd's own module exports, as `wrangler types` declares it. */
const SOCKETS = `\
export interface Socket {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly opened: Promise<unknown>;
  readonly closed: Promise<void>;
  close(): Promise<void>;
  startTls(options?: { expectedServerHostname?: string }): Socket;
}
export function connect(
  address: string | { hostname: string; port: number },
  options?: { secureTransport?: string; allowHalfOpen: boolean },
): Socket;
`;

/** The compiler's words on each block, in the order of the blocks: empty where it has none. */
export async function typeCheck(on: Runtime, blocks: readonly Block[]): Promise<string[]> {
  mkdirSync(join(root, ".tmp"), { recursive: true });
  // Inside the repository, so that packages are found.
  const folder = mkdtempSync(join(root, ".tmp/docs-"));
  try {
    cpSync(join(root, "gen/simple_pb.ts"), join(folder, "gen/simple_pb.ts"));
    writeFileSync(join(folder, "given.d.ts"), GIVEN);
    writeFileSync(join(folder, "sockets.d.ts"), SOCKETS);
    // A script would share its names with all others.
    const files = blocks.map((_, i) => `block-${i}.ts`);
    blocks.forEach(({ text }, i) => writeFileSync(join(folder, files[i] as string), `${text}export {};\n`));
    const output = await (on === "deno" ? denoCheck(folder, files) : tsc(folder, on));
    const said = files.map((file) => complaints(output, file));
    if (output !== "" && said.every((text) => text === "")) throw new Error(`the compiler failed:\n${output}`);
    return said;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function tsc(folder: string, on: Runtime): Promise<string> {
  const paths = Object.entries(ENTRIES).map(([name, file]) => [name, [`${root}src/${file}.ts`]]);
  paths.push(["cloudflare:sockets", ["./sockets.d.ts"]]);
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: `${root}tsconfig.json`,
      compilerOptions: {
        paths: Object.fromEntries(paths),
        types: [on === "bun" ? "bun-types" : "node"],
        // Rules of this repository that few users have.
        exactOptionalPropertyTypes: false,
        isolatedDeclarations: false,
        declaration: false,
        noUnusedLocals: false,
        noUnusedParameters: false,
        noPropertyAccessFromIndexSignature: false,
      },
      include: ["*.ts"],
    }),
  );
  return run(executable("node"), [`${root}node_modules/typescript/bin/tsc`, "-p", folder, "--pretty", "false"], folder);
}

function denoCheck(folder: string, files: readonly string[]): Promise<string> {
  const { imports } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8")) as { imports: Record<string, string> };
  for (const [name, file] of Object.entries(ENTRIES)) imports[name] = `${root}src/${file}.ts`;
  imports["cloudflare:sockets"] = "./sockets.d.ts";
  writeFileSync(join(folder, "import_map.json"), JSON.stringify({ imports }));
  const options = ["check", "--quiet", "--config", `${root}deno.json`, "--import-map", "import_map.json"];
  return run(executable("deno"), [...options, "given.d.ts", ...files], folder);
}

/** What a command prints, on either stream, if it fails; else nothing. */
function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(command, [...args], { cwd, env: { ...process.env, NO_COLOR: "1" } }, (error, stdout, stderr) => {
      resolve(error === null ? "" : `${stdout}${stderr}` || error.message);
    });
  });
}

/** The part of a compiler's output that is about a file. */
function complaints(output: string, file: string): string {
  // tsc has a paragraph for each error, whose first line begins with the file; Deno's ends with "at file:///…".
  const paragraphs = output.includes("at file://") ? output.split(/\n\s*\n/) : output.split(/\n(?=\S)/);
  return paragraphs.filter((text) => text.includes(file)).join("\n");
}
