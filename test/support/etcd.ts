// Real etcd processes for tests: each on its own loopback ports, with its own data directory.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { eventually } from "./eventually.ts";
import { type Child, type Exit, start } from "./process.ts";

/** For `it(name, { skip: etcdSkipped }, …)`: false, or why tests that need a real etcd are left out. */
export const etcdSkipped: string | false = process.env["CONNECT_LB_SKIP_ETCD"] === "1"
  ? "CONNECT_LB_SKIP_ETCD=1 leaves out tests that need a real etcd"
  : false;

export interface EtcdOptions {
  /** More arguments for etcd, such as `--auto-compaction-retention=1`. */
  readonly args?: readonly string[];
  /**
   * etcd's heartbeat interval in milliseconds; its election timeout is ten times that. Default: etcd's own 100. The
   * least TTL of a lease is 15 times this, rounded up to seconds.
   */
  readonly heartbeatMs?: number;
  /** Where its peers are told to reach the member that listens for them on this port. Default: there. */
  readonly peerPort?: (port: number) => Promise<number>;
}

/** A running etcd. */
export interface Etcd {
  readonly name: string;
  /** Where clients reach it: `http://127.0.0.1:<port>`. */
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  /** The id of the process that runs now. */
  readonly pid: number;
  /** What it printed, for messages of failing tests. */
  readonly lines: readonly string[];
  /** Ends it (SIGTERM) and removes its data. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL; the data stays, for `restart()`. */
  kill(): Promise<Exit>;
  /** Starts it again with the same ports and data (ends it first if it runs); settles when it serves. */
  restart(options?: { wipe?: boolean }): Promise<void>;
  /** Stops the process in place (SIGSTOP): connections stay open and nothing answers. */
  pause(): void;
  /** Lets it go on after `pause()`. */
  resume(): void;
}

/** Starts one etcd and waits until it serves. */
export async function startEtcd(options: EtcdOptions = {}): Promise<Etcd> {
  const [member] = await startMembers(1, options);
  return member as Etcd;
}

/** Starts a cluster of etcds (default three) and waits until it has a leader. */
export function startEtcdCluster(size = 3, options: EtcdOptions = {}): Promise<readonly Etcd[]> {
  return startMembers(size, options);
}

/**
 * Makes sure that `etcd` and `etcdctl` can be run: installs them from the distribution where that is possible without
 * asking (root on Debian or a relative), and otherwise throws with a line on how to get them.
 */
export function ensureEtcd(): void {
  const missing = () => ["etcd", "etcdctl"].filter((program) => !runs(program, [programVersion[program] ?? ""]));
  if (missing().length === 0) return;
  if (process.getuid?.() === 0 && existsSync("/etc/debian_version")) {
    const quiet = { stdio: "ignore", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } } as const;
    try {
      // Installing starts etcd as a service where there is an init system; tests use their own processes.
      execFileSync("apt-get", ["-o", "DPkg::Lock::Timeout=120", "update"], quiet);
      execFileSync("apt-get", ["-o", "DPkg::Lock::Timeout=120", "install", "-y", "etcd-server", "etcd-client"], quiet);
    } catch {
      // Said below, with what to do.
    }
  }
  const still = missing();
  if (still.length > 0) {
    throw new Error(
      `Tests need a real etcd, and ${still.join(" and ")} can't be run. Install it (Debian, Ubuntu: ` +
        `apt-get install etcd-server etcd-client; macOS: brew install etcd; or put a release of etcd 3.4 or newer on ` +
        `the PATH), or set CONNECT_LB_SKIP_ETCD=1 to leave those tests out.`,
    );
  }
}

const programVersion: Readonly<Record<string, string>> = { etcd: "--version", etcdctl: "version" };

function runs(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore", env: { ...process.env, ETCDCTL_API: "3" } });
    return true;
  } catch {
    return false;
  }
}

async function startMembers(size: number, options: EtcdOptions): Promise<readonly Etcd[]> {
  ensureEtcd();
  for (let tries = 1;; tries++) {
    const ports = await freePorts(2 * size);
    const names = Array.from({ length: size }, (_, i) => `member${i}`);
    const { peerPort = (port: number) => Promise.resolve(port) } = options;
    const advertised = await Promise.all(names.map((_, i) => peerPort(ports[2 * i] as number)));
    const peers = names.map((name, i) => `${name}=http://127.0.0.1:${advertised[i]}`).join(",");
    const members = await Promise.all(names.map(async (name, i) => {
      const dataDir = await mkdtemp(join(tmpdir(), "connect-lb-etcd-"));
      const [listen, client] = ports.slice(2 * i, 2 * i + 2) as [number, number];
      return new Member(name, client, { listen, advertised: advertised[i] as number, all: peers }, dataDir, options);
    }));
    try {
      await Promise.all(members.map((member) => member.restart()));
      return members;
    } catch (error) {
      await Promise.all(members.map((member) => member.stop()));
      // Between asking the kernel for a port and etcd's binding it, another process may have taken it.
      const clash = members.some((member) => member.lines.some((line) => line.includes("address already in use")));
      if (!clash || tries === 5) throw error;
    }
  }
}

/** The ports between members, and all members as etcd wants them named. */
interface Peers {
  readonly listen: number;
  readonly advertised: number;
  readonly all: string;
}

class Member implements Etcd {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  readonly #args: readonly string[];
  #child: Child | undefined;

  constructor(name: string, port: number, peers: Peers, dataDir: string, options: EtcdOptions) {
    this.name = name;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.dataDir = dataDir;
    this.#args = [
      `--name=${name}`,
      `--data-dir=${dataDir}`,
      `--listen-client-urls=${this.url}`,
      `--advertise-client-urls=${this.url}`,
      `--listen-peer-urls=http://127.0.0.1:${peers.listen}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peers.advertised}`,
      `--initial-cluster=${peers.all}`,
      // The port of this member makes tokens, and so cluster ids, of clusters on one machine differ.
      `--initial-cluster-token=${peers.all}`,
      ...(options.heartbeatMs === undefined
        ? []
        : [`--heartbeat-interval=${options.heartbeatMs}`, `--election-timeout=${10 * options.heartbeatMs}`]),
      ...(options.args ?? []),
    ];
  }

  get pid(): number {
    if (this.#child === undefined) throw new Error(`etcd ${this.name} was never started`);
    return this.#child.pid;
  }

  get lines(): readonly string[] {
    return this.#child?.lines ?? [];
  }

  async stop(): Promise<void> {
    // A paused process takes no SIGTERM.
    this.resume();
    await this.#child?.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  kill(): Promise<Exit> {
    return this.#child?.kill() ?? Promise.resolve({ code: null, signal: null });
  }

  async restart({ wipe = false } = {}): Promise<void> {
    this.resume();
    await this.#child?.stop();
    if (wipe) await rm(this.dataDir, { recursive: true, force: true });
    const child = start("etcd", this.#args, { env: withoutEtcdVariables() });
    this.#child = child;
    const ready = eventually(`etcd ${this.name} serves`, async () => {
      if (child.exit !== undefined) return true;
      const answer = await fetch(`${this.url}/health`, { signal: AbortSignal.timeout(1_000) });
      return (await answer.json() as { health: string }).health === "true";
    }, 20_000);
    await ready.catch((error) => {
      throw new Error(`etcd does not serve; its output:\n${child.lines.join("\n")}`, { cause: error });
    });
    if (child.exit !== undefined) {
      throw new Error(`etcd ended (code ${child.exit.code}); its output:\n${child.lines.join("\n")}`);
    }
  }

  pause(): void {
    this.#child?.signal("SIGSTOP");
  }

  resume(): void {
    this.#child?.signal("SIGCONT");
  }
}

/** etcd reads every flag from the environment too, and refuses to start when both are given. */
function withoutEtcdVariables(): Record<string, string> {
  const names = Object.keys(process.env).filter((name) => name.startsWith("ETCD_"));
  return Object.fromEntries(names.map((name) => [name, ""]));
}

/** Ports that the kernel says are free: all held at once, so that they differ, then let go. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () =>
      new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
        const server = createServer();
        server.once("error", reject);
        server.listen(0, "127.0.0.1", () => resolve(server));
      })),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
