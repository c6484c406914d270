// The command `connect-lb` as installed: an etcd, a registration and a list, on each runtime.
import assert from "node:assert/strict";
import { type Child, start } from "../support/process.ts";

/** How the command is started, such as `npx connect-lb`. */
export interface Installed {
  readonly folder: string;
  readonly words: readonly [program: string, ...args: readonly string[]];
  readonly env?: Readonly<Record<string, string>>;
}

/** Asks it for its version. */
export async function runVersion({ folder, words: [program, ...args], env = {} }: Installed): Promise<void> {
  const child = start(program, [...args, "--version"], { cwd: folder, env });
  assert.equal((await child.exited).code, 0, child.lines.join("\n"));
  assert.match(child.lines.join("\n"), /^connect-lb \d+\.\d+\.\d+/m);
  console.log(`the command's version, by ${[program, ...args].join(" ")}`);
}

/** Runs an etcd, registers a server there, and lists it. */
export async function runCommand({ folder, words: [program, ...args], env = {} }: Installed): Promise<void> {
  const running: Child[] = [];
  const command = (words: readonly string[], url?: string) => {
    const where: Record<string, string> = url === undefined ? {} : { CONNECT_LB_ETCD: url };
    const child = start(program, [...args, ...words], { cwd: folder, env: { ...env, ...where } });
    running.push(child);
    return child;
  };
  try {
    const [url] = await command(["etcd", "--listen", "127.0.0.1:0"]).line(/^http:\/\/\S+$/);
    const registering = command(["register", "packaged", "127.0.0.1:1", "--health", "none"], url);
    await registering.line(/registered: packaged/);
    const listed = command(["ls", "-o", "name"], url);
    assert.equal((await listed.exited).code, 0, listed.lines.join("\n"));
    assert.ok(listed.lines.includes("packaged"), listed.lines.join("\n"));
  } finally {
    await Promise.all(running.map((child) => child.stop()));
  }
  console.log(`the command, by ${[program, ...args].join(" ")}`);
}
