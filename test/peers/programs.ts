// Servers and proxies from the distribution's packages: found or installed, started on loopback ports, and ended.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { eventually } from "../support/eventually.ts";
import { type Child, start } from "../support/process.ts";

/** For `describe(name, { skip: peersSkipped }, …)`: false, or why tests that need such programs are left out. */
export const peersSkipped: string | false = process.env["CONNECT_LB_SKIP_PEERS"] === "1"
  ? "CONNECT_LB_SKIP_PEERS=1 leaves out tests that need nginx, HAProxy and nghttpd"
  : false;

/** Each program and Debian's package of it. */
const PACKAGES = { nginx: "nginx-light", haproxy: "haproxy", nghttpd: "nghttp2-server" } as const;
export type Program = keyof typeof PACKAGES;

/** Where a program is; system programs stand in folders that are not on every user's path. */
function find(program: Program): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

/**
 * Where a program is.
 *
 * @throws Error with a line on how to get it, if it is missing and can't be installed; see {@link ensurePrograms}.
 */
export function ensureProgram(program: Program): string {
  const found = find(program);
  if (found !== undefined) return found;
  ensurePrograms();
  return find(program)!;
}

/**
 * Makes sure that all programs can be run: installs those that are missing from the distribution where that is possible
 * without asking (root on Debian or a relative), and otherwise throws with a line on how to get them.
 */
export function ensurePrograms(): void {
  const missing = () => (Object.keys(PACKAGES) as Program[]).filter((program) => find(program) === undefined);
  if (missing().length === 0) return;
  if (process.getuid?.() === 0 && existsSync("/etc/debian_version")) {
    const quiet = { stdio: "ignore", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } } as const;
    const apt = (...args: string[]) => execFileSync("apt-get", ["-o", "DPkg::Lock::Timeout=120", ...args], quiet);
    try {
      apt("update");
      // Installing starts them as services where there is an init system; tests use their own processes.
      apt("install", "-y", "--no-install-recommends", ...missing().map((program) => PACKAGES[program]));
    } catch {
      // Said below, with what to do.
    }
  }
  const still = missing();
  if (still.length > 0) {
    throw new Error(
      `Tests need ${
        still.join(" and ")
      }, which can't be found. Install what is missing (Debian, Ubuntu: apt-get install ` +
        `${
          still.map((program) => PACKAGES[program]).join(" ")
        }), or set CONNECT_LB_SKIP_PEERS=1 to leave those tests out.`,
    );
  }
}

/** A running program. */
export interface Running {
  readonly child: Child;
  /** Its ports, as many as were asked for. */
  readonly ports: readonly number[];
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/**
 * Starts a program with a folder of its own. `configure` writes what it needs there and gives its arguments; settles when
 * it listens on the first port.
 */
export async function startProgram(
  program: Program,
  portCount: number,
  configure: (folder: string, ports: readonly number[]) => Promise<readonly string[]>,
): Promise<Running> {
  const path = ensureProgram(program);
  for (let tries = 1;; tries++) {
    const folder = await mkdtemp(join(tmpdir(), `connect-lb-${program}-`));
    const ports = await freePorts(portCount);
    const child = start(path, await configure(folder, ports));
    const stop = async () => {
      await child.stop();
      await rm(folder, { recursive: true, force: true });
    };
    await eventually(`${program} listens`, () => child.exit !== undefined || listens(ports[0]!));
    if (child.exit === undefined) return { child, ports, stop };
    await stop();
    // Between asking the kernel for a port and the program's binding it, another process may have taken it.
    if (tries === 3) throw new Error(`${program} ended; its output:\n${child.lines.join("\n")}`);
  }
}

/** Writes a file into a program's folder; gives its path. */
export async function put(folder: string, name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Ports that the kernel says are free: all held at once, so that they differ, then let go. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
