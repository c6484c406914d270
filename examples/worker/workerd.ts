// Runs the Worker of this folder in workerd, the runtime of Workers, as `wrangler.jsonc` describes it. In a project of
// your own, `npx wrangler dev` does this. It needs the packages `esbuild` and `workerd`.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { until } from "../demo/child.ts";

/** The part of `wrangler.jsonc` that is used here. */
interface Wrangler {
  readonly main: string;
  readonly compatibility_date: string;
  readonly compatibility_flags: readonly string[];
  readonly vars: Readonly<Record<string, string>>;
  readonly durable_objects: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] };
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url).href);

/** Bundles the Worker, serves it on a free port, and returns its URL. It ends with this process. */
export async function startWorkerd(vars: Readonly<Record<string, string>>): Promise<string> {
  const wrangler = JSON.parse(readFileSync(here("wrangler.jsonc"), "utf8").replace(/^\s*\/\/.*$/gm, "")) as Wrangler;
  const folder = mkdtempSync(join(tmpdir(), "connect-lb-example-"));
  await build({
    entryPoints: [here(wrangler.main)],
    outfile: join(folder, "worker.js"),
    bundle: true,
    format: "esm",
    target: "es2023",
    conditions: ["workerd"],
    external: ["cloudflare:*"],
    logLevel: "warning",
  });
  writeFileSync(join(folder, "config.capnp"), configOf(wrangler, vars));
  // The package's script in .bin passes no signals on; its module knows where the program is.
  const { default: program } = createRequire(import.meta.url)("workerd") as { default: string };
  const child = spawn(program, ["serve", "config.capnp", "--experimental", "--control-fd=3"], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  process.on("exit", () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  let told = "";
  child.stdio[3]!.on("data", (chunk) => told += String(chunk));
  const port = await until("workerd listens", () => {
    if (child.exitCode !== null) throw new Error(`workerd ended with exit code ${child.exitCode}`);
    return /"event":"listen".*"port":(\d+)/.exec(told)?.[1];
  });
  return `http://127.0.0.1:${port}`;
}

/** workerd's configuration: the Worker, its bindings, and a network in which this machine can be reached. */
function configOf(wrangler: Wrangler, vars: Readonly<Record<string, string>>): string {
  const objects = wrangler.durable_objects.bindings;
  const bindings = [
    ...Object.entries({ ...wrangler.vars, ...vars }).map(([name, value]) => {
      return `(name = "${name}", text = ${JSON.stringify(value)})`;
    }),
    ...objects.map(({ name, class_name }) => `(name = "${name}", durableObjectNamespace = "${class_name}")`),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "internet", network = (allow = ["public", "private", "local"])),
    (name = "storage", disk = (path = ".", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "${wrangler.compatibility_date}",
  compatibilityFlags = [${wrangler.compatibility_flags.map((flag) => `"${flag}"`).join(", ")}],
  bindings = [${bindings.join(", ")}],
  durableObjectNamespaces = [${
    objects.map(({ class_name }) => `(className = "${class_name}", uniqueKey = "${class_name}")`).join(", ")
  }],
  durableObjectStorage = (localDisk = "storage"),
);
`;
}
