// The servers of a mixed fleet: each in a language, on a runtime, and registered in etcd in its own way.
import { cpSync, readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { builtWithGo, hasGo } from "../support/go.ts";
import { GRPC_GO_VERSION } from "../support/grpc-go.ts";
import { pythonWithGrpcio, withoutGrpcio } from "../support/grpcio.ts";
import { javaLibraries, withoutJava } from "./java.ts";
import { type Child, executable, root, start, startScript } from "../support/process.ts";

/** What all of them serve as. */
export const SERVICE = "mixed";
/** How many messages a stream has. */
export const MESSAGES = 3;

const GO_MODULES = [`google.golang.org/grpc@${GRPC_GO_VERSION}`, "go.etcd.io/etcd/client/v3@v3.6.16"];

/** A kind of server. */
interface Kind {
  readonly name: string;
  /** Why it can't be here; false if it can. */
  readonly without: () => string | false;
  readonly start: (etcd: string, port: number) => Child;
}

const noGo = () => !hasGo() && 'there is no Go to build it with (put "go" on the PATH)';
const go = (how: "naming" | "plain"): Kind => ({
  name: `Go, ${how === "naming" ? "etcd's naming" : "plain keys"}`,
  without: noGo,
  start: (etcd, port) =>
    start(goServer(), [etcd, how, `Go, ${how === "naming" ? "etcd's naming" : "plain keys"}`, `${port}`]),
});
const ours = (runtime: "node" | "bun" | "deno", name: string): Kind => ({
  name,
  without: () => false,
  start: (etcd, port) => startScript(runtime, "test/mixed/server.ts", [etcd, name, `${port}`]),
});

/** A server that knows nothing of etcd, and the command that keeps it registered. */
const sidecar = (name: string, without: Kind["without"], program: () => readonly string[]): Kind => ({
  name,
  without,
  start: (etcd, port) =>
    start(executable("node"), [
      ...["src/cli.ts", "register", SERVICE, `127.0.0.1:${port}`, "--endpoints", etcd, "--ttl", "5"],
      ...["--interval", "200ms", "--", ...program(), name, `${port}`],
    ]),
});

const KINDS: readonly Kind[] = [
  go("naming"),
  go("plain"),
  sidecar("Python, connect-lb register", withoutGrpcio, () => [pythonWithGrpcio(), "test/mixed/server.py"]),
  sidecar("Java, connect-lb register", withoutJava, () => [
    "java",
    "-cp",
    `${javaLibraries()}/*`,
    "test/mixed/java/Server.java",
  ]),
  ours("node", "Node"),
  ours("bun", "Bun"),
  ours("deno", "Deno"),
];

/** One server of the fleet. */
export class FleetServer {
  readonly name: string;
  readonly #kind: Kind;
  readonly #etcd: string;
  readonly #port: number;
  #child: Child | undefined;
  /** The server's own process, which may be a child of the one that was started. */
  #pid = 0;

  constructor(kind: Kind, etcd: string, port: number) {
    this.name = kind.name;
    this.#kind = kind;
    this.#etcd = etcd;
    this.#port = port;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Starts it, each time on the same port; settles when it listens. */
  async start(): Promise<void> {
    this.#child = this.#kind.start(this.#etcd, this.#port);
    const [, pid] = await this.#child.line(/listening [\d.]+:\d+ (\d+)$/);
    this.#pid = Number(pid);
  }

  /** SIGKILL of the server; settles when it is gone. */
  async kill(): Promise<void> {
    if (this.#child === undefined || this.#child.exit !== undefined) return;
    process.kill(this.#pid, "SIGKILL");
    await this.#child.exited;
  }

  /** SIGTERM; settles when it has ended by itself. @throws Error if it doesn't end well */
  async stop(): Promise<void> {
    const exit = await this.#child!.stop(20_000);
    if (exit.code !== 0) {
      throw new Error(`${this.name} ended with ${exit.code ?? exit.signal}: ${this.#child!.lines.slice(-5)}`);
    }
  }
}

/** All servers that can be here, started, and why the others can't; those named in `except` are left out. */
export async function startFleet(
  etcd: string,
  except: ReadonlySet<string>,
): Promise<{ servers: readonly FleetServer[]; missing: readonly string[] }> {
  const wanted = KINDS.filter(({ name }) => !except.has(name));
  const missing = wanted.map(({ name, without }) => [name, without()] as const).filter(([, why]) => why !== false);
  const kinds = wanted.filter(({ name }) => !missing.some(([absent]) => absent === name));
  const ports = await freePorts(kinds.length);
  const servers = kinds.map((kind, i) => new FleetServer(kind, etcd, ports[i]!));
  await Promise.all(servers.map((server) => server.start()));
  return { servers, missing: missing.map(([name, why]) => `${name}: ${why}`) };
}

/** The Go server, built in about a minute if its source is new. */
function goServer(): string {
  const source = join(root, "test/mixed/go");
  const hash = createHash("sha256").update(JSON.stringify(GO_MODULES)).update(readFileSync(join(source, "main.go")));
  const folder = builtWithGo(`mixed-${hash.digest("hex").slice(0, 16)}`, (go, work) => {
    cpSync(source, join(work, "server"), { recursive: true });
    go("get", ...GO_MODULES);
    go("build", "-trimpath", "-o", "bin/server", "./server");
  });
  return join(folder, "server");
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
