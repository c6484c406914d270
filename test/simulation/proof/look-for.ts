import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** How long to look for a fault. */
export interface Limits {
  /** The time of one core. */
  readonly seconds: number;
  readonly seeds: number;
}

/** How far a search is, or what it found. */
export interface Found {
  /** The last seed that was played. */
  readonly seed: number;
  /** Undefined: all held. */
  readonly invariant: string | undefined;
  readonly what: string | undefined;
  readonly virtualMs: number;
  /** Of one core, however busy the machine is. */
  readonly realMs: number;
}

/** How often progress is told. */
const TELL_MS = 30_000;
/** A fault may keep a seed from ever ending: then that seed has shown it. */
const STUCK_MS = 600_000;

/** Most seeds are played in narrow worlds, which are cheap, and the others by turns in both kinds of wide ones. */
export function trafficOf(seed: number): string {
  return seed % 16 === 0 ? "--busy" : seed % 16 === 8 ? "" : "--narrow";
}

const running = new Set<ChildProcess>();
process.on("exit", () => running.forEach((child) => child.kill()));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/** Looks for the first seed that shows a fault; seeds that fail without it, too, show nothing. */
export async function lookFor(fault: string, { seconds, seeds }: Limits, say: (text: string) => void): Promise<Found> {
  let virtualMs = 0, realMs = 0, toldMs = performance.now();
  for (let first = 1;;) {
    const sofar = { virtualMs, realMs };
    const found = await search(fault, { first, last: seeds, seconds: seconds - realMs / 1_000 }, (progress) => {
      if (performance.now() < toldMs + TELL_MS) return;
      toldMs = performance.now();
      const totalMs = sofar.realMs + progress.realMs;
      say(`${fault}: nothing in ${progress.seed} seeds, ${(totalMs / 1_000).toFixed(0)} s of a core`);
    });
    virtualMs += found.virtualMs;
    realMs += found.realMs;
    const { seed, invariant } = found;
    if (invariant === undefined) return { ...found, virtualMs, realMs };
    const without = await search("", { first: seed, last: seed, seconds: 0 });
    if (without.invariant === undefined) return { ...found, virtualMs, realMs };
    say(`${fault}: seed ${seed} fails without it, too: ${without.invariant}`);
    first = seed + 1;
    if (first > seeds || realMs >= 1_000 * seconds) {
      return { seed, invariant: undefined, what: undefined, virtualMs, realMs };
    }
  }
}

interface Range {
  readonly first: number;
  readonly last: number;
  readonly seconds: number;
}

/** Plays seeds in a process of its own, with a fault put back, until one breaks an invariant. */
function search(fault: string, range: Range, onProgress: (so: Found) => void = () => {}): Promise<Found> {
  const { first, last, seconds } = range, at = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const args = ["--import", at("put-back.ts"), at("search.ts"), `${first}`, `${last}`, `${seconds}`];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, SIMULATION_FAULT: fault },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let latest: Found | undefined, errors = "", stuck = false;
  const timer = setTimeout(() => stuck = child.kill("SIGKILL"), STUCK_MS);
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (!line.startsWith("{")) return void (errors += `${line}\n`);
    latest = JSON.parse(line) as Found;
    timer.refresh();
    onProgress(latest);
  });
  child.stderr.on("data", (text) => errors += text);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      if (stuck) {
        const { seed = first - 1, virtualMs = 0, realMs = 0 } = latest ?? {};
        return resolve({ seed: seed + 1, invariant: "ends", what: "it never ends", virtualMs, realMs });
      }
      if (code === 0 && latest !== undefined) return resolve(latest);
      reject(new Error(`it could not be looked for: ${signal ?? code}\n${errors}`));
    });
  });
}
