// workerd for tests: a worker bundled as deploying it would, with bindings, cron triggers and Durable Objects.
import { createRequire } from "node:module";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ca } from "../support/tls.ts";
import { eventually } from "../support/eventually.ts";
import { type Child, executable, start } from "../support/process.ts";

/** What a worker is given, as a `wrangler.jsonc` would say it. */
export interface WorkerdOptions {
  /** With `nodejs_compat`: then it is bundled with `node:` modules as they are. Default: without. */
  readonly nodeCompat?: boolean;
  /** Other compatibility flags. */
  readonly flags?: readonly string[];
  /** Variables in `env`. */
  readonly vars?: Readonly<Record<string, string>>;
  /** Durable Objects: the name of the binding in `env` → the exported class. */
  readonly objects?: Readonly<Record<string, string>>;
  /** Services: the name of the binding in `env` → the service; `internet` reaches what the worker's own fetch does. */
  readonly services?: Readonly<Record<string, string>>;
}

/** A worker that runs in workerd. */
export interface Workerd {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  readonly child: Child;
  /** The path's answer as JSON; throws with the worker's output if its status is not 200. */
  json<T>(path: string): Promise<T>;
  /** Runs the worker's `scheduled` handler, as a cron trigger does; returns its outcome. */
  scheduled(): Promise<string>;
  /** Ends the process and starts it again: a new isolate, new objects, the same storage of Durable Objects. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Bundles a worker and serves it in workerd, which lets it reach local addresses and trusts the tests' CA. */
export async function startWorkerd(script: string, options: WorkerdOptions = {}): Promise<Workerd> {
  const folder = await mkdtemp(join(tmpdir(), "connect-lb-workerd-"));
  await bundle(script, `${folder}/worker.js`, options);
  await writeFile(join(folder, "ca.pem"), ca);
  await writeFile(join(folder, "trigger.js"), TRIGGER);
  await writeFile(join(folder, "config.capnp"), config(options));
  let child: Child, url: string, runs = 0;
  const run = async () => {
    // The package's script in .bin passes no signals on; its module knows where the program is.
    const { default: program } = createRequire(import.meta.url)("workerd") as { default: string };
    // Without a shell's help a child has no descriptor 3: what it tells there goes to a file.
    const control = `control-${runs++}`;
    const command = `exec "$0" serve config.capnp --experimental --control-fd=3 3>${control}`;
    child = start("sh", ["-c", command, program], { cwd: folder });
    url = `http://127.0.0.1:${await portIn(join(folder, control), child)}`;
  };
  const answer = async (path: string, init?: RequestInit): Promise<string> => {
    const response = await fetch(`${url}${path}`, { ...init, signal: AbortSignal.timeout(60_000) });
    const text = await response.text();
    if (response.status === 200) return text;
    throw new Error(`${path}: HTTP ${response.status}: ${text}\nworkerd:\n${child.lines.slice(-20).join("\n")}`);
  };
  await run();
  return {
    get url() {
      return url;
    },
    get child() {
      return child;
    },
    json: async <T>(path: string) => JSON.parse(await answer(path)) as T,
    scheduled: () => answer("/", { headers: { "x-trigger": "scheduled" } }),
    async restart() {
      await child.stop();
      await run();
    },
    async stop() {
      await child.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function bundle(script: string, outfile: string, { nodeCompat = false }: WorkerdOptions): Promise<void> {
  const target = nodeCompat ? ["--target=node"] : ["--target=browser", "--conditions=workerd"];
  const args = [
    "build",
    script,
    ...target,
    "--format=esm",
    "--external=cloudflare:*",
    "--external=node:*",
    `--outfile=${outfile}`,
  ];
  const child = start(executable("bun"), args);
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`the worker can't be bundled:\n${child.lines.join("\n")}`);
}

/** In front of the worker, because only another worker can trigger its handlers. */
const TRIGGER = `export default {
  async fetch(request, env) {
    if (request.headers.get("x-trigger") !== "scheduled") return env.WORKER.fetch(request);
    const { outcome } = await env.WORKER.scheduled({ scheduledTime: new Date(), cron: "* * * * *" });
    return new Response(outcome);
  },
};
`;

/** Before the date from which workerd has \`nodejs_compat\` by itself. */
const DATE = "2026-07-01";

function config(
  { nodeCompat = false, flags = [], vars = {}, objects = {}, services = {} }: WorkerdOptions,
): string {
  const allFlags = nodeCompat ? ["nodejs_compat", ...flags] : flags;
  const bindings = [
    ...Object.entries(vars).map(([name, value]) => `(name = "${name}", text = ${JSON.stringify(value)})`),
    ...Object.entries(objects).map(([name, kind]) => `(name = "${name}", durableObjectNamespace = "${kind}")`),
    ...Object.entries(services).map(([name, service]) => `(name = "${name}", service = "${service}")`),
  ];
  const namespaces = Object.values(objects).map((kind) => `(className = "${kind}", uniqueKey = "${kind}")`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "trigger", worker = .trigger),
    (name = "worker", worker = .worker),
    (name = "internet", network = (
      allow = ["public", "private", "local"],
      tlsOptions = (trustedCertificates = [embed "ca.pem"]),
    )),
    (name = "storage", disk = (path = ".", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "trigger")],
);
const trigger :Workerd.Worker = (
  modules = [(name = "trigger", esModule = embed "trigger.js")],
  compatibilityDate = "${DATE}",
  compatibilityFlags = ["service_binding_extra_handlers"],
  bindings = [(name = "WORKER", service = "worker")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "${DATE}",
  compatibilityFlags = [${allFlags.map((flag) => `"${flag}"`).join(", ")}],
  bindings = [${bindings.join(", ")}],
  durableObjectNamespaces = [${namespaces.join(", ")}],
  durableObjectStorage = (localDisk = "storage"),
);
`;
}

/** The port that workerd tells once it listens. */
function portIn(control: string, child: Child): Promise<number> {
  return eventually("workerd listens", async () => {
    if (child.exit !== undefined) throw new Error(`workerd ended; its output:\n${child.lines.join("\n")}`);
    const told = await readFile(control, "utf8");
    for (const line of told.split("\n")) {
      if (line === "") continue;
      const { event, port } = JSON.parse(line) as { event: string; port?: number };
      if (event === "listen" && port !== undefined) return port;
    }
    return undefined;
  });
}
