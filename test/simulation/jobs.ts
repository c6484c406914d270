import { type ChildProcessByStdio, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Played } from "./totals.ts";

/** Which seeds are played, and by how many processes at a time. */
export interface Jobs {
  readonly first: number;
  /** Infinity: until `enough` says so. */
  readonly seeds: number;
  readonly jobs: number;
  readonly traffic: string;
}

/** V8's young generation, in MB: calls' records outlive a small one, and are copied again and again. */
const YOUNG = "--max-semi-space-size=64";

type Child = ChildProcessByStdio<null, Readable, null>;

const running = new Set<Child>();
process.on("exit", () => running.forEach((child) => child.kill()));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/**
 * Plays seeds in processes of their own, on several cores. `played` hears of each run, and says whether that is enough.
 * Rejects if a process ends before its last seed.
 */
export async function playInJobs(
  { first, seeds, jobs, traffic }: Jobs,
  played: (run: Played) => boolean,
): Promise<void> {
  const last = Math.min(first + seeds - 1, Number.MAX_SAFE_INTEGER);
  const children = Array.from({ length: jobs }, (_, i) => start([`${first + i}`, `${jobs}`, `${last}`, traffic]));
  await Promise.all(children.map((child) => {
    return read(child, (run) => {
      if (played(run)) children.forEach((other) => other.kill());
    });
  }));
}

function start(args: readonly string[]): Child {
  const program = fileURLToPath(new URL("play-seeds.ts", import.meta.url));
  const before = "Deno" in globalThis
    ? ["run", "-A", "--no-check", `--v8-flags=${YOUNG}`]
    : "Bun" in globalThis
    ? process.execArgv
    : [YOUNG, ...process.execArgv];
  const child = spawn(process.execPath, [...before, program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  return child;
}

function read(child: Child, onPlayed: (run: Played) => void): Promise<void> {
  let latest: Played | undefined;
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (child.killed) return;
    latest = JSON.parse(line) as Played;
    onPlayed(latest);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      running.delete(child);
      if (code === 0 || child.killed) return resolve();
      const after = latest === undefined ? "before its first run" : `after seed ${latest.seed}`;
      reject(new Error(`a process ended ${after}: ${signal ?? code}`));
    });
  });
}
