// Servers and proxies from the distribution's packages: started on loopback ports, and ended.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { type Child, start } from "../support/process.ts";
import { ensure, find, type Program, skipped } from "../support/system.ts";

/** For `describe(name, { skip: peersSkipped }, …)`: false, or why tests that need such programs are left out. */
export const peersSkipped: string | false = skipped("peers");

/** A running program. */
export interface Running {
  readonly child: Child;
  /** Its ports, as many as were asked for. */
  readonly ports: readonly number[];
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** Writes what a program needs into its folder, and gives its arguments. */
export type Configure = (folder: string, ports: readonly number[]) => Promise<readonly string[]>;

/** Starts a program of the distribution, which is installed if it has to be and can; see {@link startAt}. */
export async function startProgram(program: Program, portCount: number, configure: Configure): Promise<Running> {
  ensure("peers");
  return await startAt(find(program)!, portCount, configure);
}

/** Starts a program with a folder of its own; settles when it listens on the first of its ports. */
export async function startAt(path: string, portCount: number, configure: Configure): Promise<Running> {
  const program = basename(path);
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
