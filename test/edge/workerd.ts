import { createRequire } from "node:module";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ca } from "../support/tls.ts";
import { eventually } from "../support/eventually.ts";
import { type Child, executable, start } from "../support/process.ts";

/** A worker that runs in workerd. */
export interface Workerd {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  readonly child: Child;
  stop(): Promise<void>;
}

/** Bundles a worker and serves it in workerd, which lets it reach local addresses and trusts the tests' CA. */
export async function startWorkerd(script: string): Promise<Workerd> {
  const folder = await mkdtemp(join(tmpdir(), "connect-lb-workerd-"));
  const bundle = start(executable("bun"), [
    "build",
    script,
    "--target=node",
    "--format=esm",
    `--outfile=${folder}/worker.js`,
  ]);
  const built = await bundle.exited;
  if (built.code !== 0) throw new Error(`the worker can't be bundled:\n${bundle.lines.join("\n")}`);
  await writeFile(join(folder, "ca.pem"), ca);
  await writeFile(join(folder, "config.capnp"), CONFIG);
  // The package's script in .bin passes no signals on; its module knows where the program is.
  const { default: program } = createRequire(import.meta.url)("workerd") as { default: string };
  // Without a shell's help a child has no descriptor 3: what it tells there goes to a file.
  const child = start("sh", ["-c", `exec "$0" serve config.capnp --control-fd=3 3>control`, program], { cwd: folder });
  const port = await portIn(join(folder, "control"), child);
  return {
    url: `http://127.0.0.1:${port}`,
    child,
    async stop() {
      await child.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const CONFIG = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (
      allow = ["public", "private", "local"],
      tlsOptions = (trustedCertificates = [embed "ca.pem"]),
    )),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-07-01",
  compatibilityFlags = ["nodejs_compat"],
);
`;

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
