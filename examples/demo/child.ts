// Other examples as child processes of the demo, on the same runtime.
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** A running example. */
export interface Child {
  readonly process: ChildProcess;
  /** By its id: what `kill` of a Deno child process reports as its end is the signal sent, not the exit code. */
  signal(name: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  readonly lines: string[];
  readonly exited: Promise<number | null>;
}

const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

/** Starts an example; each line of its standard error goes to `onError`. It ends with the demo, whatever happens. */
export function start(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  onError: (line: string) => void,
): Child {
  const before = "Deno" in globalThis ? ["run", "-A"] : [];
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url).href);
  const child = spawn(process.execPath, [...before, path, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line);
    onError(line);
  });
  const exited = new Promise<number | null>((resolve) => {
    child.once("exit", (code) => {
      children.delete(child);
      resolve(code);
    });
  });
  const signal = (name: string) =>
    void (child.pid !== undefined && children.has(child) && process.kill(child.pid, name));
  return { process: child, signal, lines, exited };
}

/** What the first line that matches says; throws when it doesn't come. */
export async function printed(name: string, child: Child, what: string, pattern: RegExp): Promise<string> {
  return await until(`${name} ${what}`, () => {
    if (child.process.exitCode !== null) throw new Error(`${name} ended with exit code ${child.process.exitCode}`);
    return child.lines.map((line) => pattern.exec(line)?.[1]).find((match) => match !== undefined);
  });
}

/** Waits for what `probe` gives; throws when that takes over a minute. */
export async function until<T>(what: string, probe: () => T | undefined | false): Promise<T> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const value = probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`waited for a minute in vain: ${what}`);
    await sleep(20);
  }
}
