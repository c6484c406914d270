// Real etcd processes for tests: each on its own loopback ports, with its own data directory.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { eventually } from "./eventually.ts";
import { type Child, type Exit, start } from "./process.ts";
import { ensure, find, skipped } from "./system.ts";

/** For `it(name, { skip: etcdSkipped }, …)`: false, or why tests that need a real etcd are left out. */
export const etcdSkipped: string | false = skipped("etcd");

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
  /** The files of a certificate and its key: it serves clients over TLS, too. Default: only without. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A running etcd. */
export interface Etcd {
  readonly name: string;
  /** Where clients reach it: `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** The same over TLS, if it has a certificate; otherwise the same. */
  readonly secureUrl: string;
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

/** More than etcdctl's own 2 and 5 seconds, which a busy machine exceeds. */
const PATIENT = ["--dial-timeout=60s", "--command-timeout=60s"];

/** Runs etcdctl against an etcd; gives what it printed on standard output. */
export async function etcdctl(etcd: { readonly url: string }, ...args: readonly string[]): Promise<string> {
  return await tool("etcdctl", [...PATIENT, ...args], etcd.url);
}

/** Makes the data directory of an etcd, which does not run, anew from a snapshot, as `etcdctl snapshot save` wrote it. */
export async function restoreSnapshot(snapshot: string, args: readonly string[]): Promise<void> {
  // Since etcd 3.5 etcdutl does this; 3.6 took it out of etcdctl.
  await tool(find("etcdutl") === undefined ? "etcdctl" : "etcdutl", ["snapshot", "restore", snapshot, ...args]);
}

/** Starts etcdctl against an etcd. */
export function startEtcdctl(url: string, args: readonly string[]): Child {
  return start("etcdctl", args, { env: etcdctlEnv(url) });
}

/** What etcdctl needs in its environment. Not ETCDCTL_API: etcd 3.4 and newer need none, and 3.6 warns of it. */
function etcdctlEnv(url: string | undefined): Record<string, string | undefined> {
  return { ETCDCTL_API: undefined, ETCDCTL_ENDPOINTS: url };
}

async function tool(program: string, args: readonly string[], url?: string): Promise<string> {
  ensure("etcd");
  // Warnings and logs are on standard error, which is no part of an answer.
  return (await promisify(execFile)(program, args, { env: { ...process.env, ...etcdctlEnv(url) } })).stdout;
}

async function startMembers(size: number, options: EtcdOptions): Promise<readonly Etcd[]> {
  ensure("etcd");
  for (let tries = 1;; tries++) {
    const ports = await freePorts(3 * size);
    const names = Array.from({ length: size }, (_, i) => `member${i}`);
    const { peerPort = (port: number) => Promise.resolve(port) } = options;
    const advertised = await Promise.all(names.map((_, i) => peerPort(ports[2 * i] as number)));
    const peers = names.map((name, i) => `${name}=http://127.0.0.1:${advertised[i]}`).join(",");
    const members = await Promise.all(names.map(async (name, i) => {
      const dataDir = await mkdtemp(join(tmpdir(), "connect-lb-etcd-"));
      const [listen, client] = ports.slice(2 * i, 2 * i + 2) as [number, number];
      const peering = { listen, advertised: advertised[i] as number, all: peers };
      return new Member(name, { client, secure: ports[2 * size + i] as number }, peering, dataDir, options);
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

/** The ports for clients, without and with TLS. */
interface ClientPorts {
  readonly client: number;
  readonly secure: number;
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
  readonly secureUrl: string;
  readonly port: number;
  readonly dataDir: string;
  readonly #args: readonly string[];
  #child: Child | undefined;

  constructor(name: string, ports: ClientPorts, peers: Peers, dataDir: string, options: EtcdOptions) {
    this.name = name;
    this.port = ports.client;
    this.url = `http://127.0.0.1:${ports.client}`;
    this.secureUrl = options.tls === undefined ? this.url : `https://127.0.0.1:${ports.secure}`;
    this.dataDir = dataDir;
    const urls = [...new Set([this.url, this.secureUrl])].join(",");
    this.#args = [
      `--name=${name}`,
      `--data-dir=${dataDir}`,
      `--listen-client-urls=${urls}`,
      `--advertise-client-urls=${urls}`,
      `--listen-peer-urls=http://127.0.0.1:${peers.listen}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peers.advertised}`,
      `--initial-cluster=${peers.all}`,
      // The port of this member makes tokens, and so cluster ids, of clusters on one machine differ.
      `--initial-cluster-token=${peers.all}`,
      ...(options.heartbeatMs === undefined
        ? []
        : [`--heartbeat-interval=${options.heartbeatMs}`, `--election-timeout=${10 * options.heartbeatMs}`]),
      ...(options.tls === undefined ? [] : [`--cert-file=${options.tls.cert}`, `--key-file=${options.tls.key}`]),
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
      const answer = await fetch(`${this.url}/health`, { signal: AbortSignal.timeout(5_000) });
      return (await answer.json() as { health: string }).health === "true";
    }, 60_000);
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
function withoutEtcdVariables(): Record<string, undefined> {
  const names = Object.keys(process.env).filter((name) => name.startsWith("ETCD_"));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

/** Ports that the kernel says are free: all held at once, so that they differ, then let go. */
export async function freePorts(count: number): Promise<readonly number[]> {
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
