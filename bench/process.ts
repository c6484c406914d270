import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Addresses, Kind } from "./kind.ts";
import { KINDS } from "./kind.ts";
import { executable } from "../test/support/process.ts";
import { BUN_HEAP_ENVIRONMENT, V8_HEAP_FLAGS } from "./heap.ts";

/** The runtimes that are compared. */
export const RUNTIMES = ["node", "bun", "deno"] as const;
export type Runtime = (typeof RUNTIMES)[number];

/** How long a process may take to start: it takes a second or two, and much longer on a busy machine. */
export const START_MS = 120_000;

/** A process that answers lines of JSON. */
export class Lines {
  readonly child: ChildProcess;
  #lines: string[] = [];
  #wake = () => {};
  #ended = false;

  constructor(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const env = { ...process.env, ...environment };
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env });
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    this.child.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
    this.child.stdin!.on("error", () => {});
  }

  /** Whether the process is gone. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The next line, parsed; `{ error }` if the process ended or stayed silent for `timeoutMs`. */
  async next<T>(timeoutMs: number): Promise<T | { error: string }> {
    const deadline = performance.now() + timeoutMs;
    while (this.#lines.length === 0) {
      const left = deadline - performance.now();
      if (this.#ended) return { error: `the process ended with code ${this.child.exitCode ?? this.child.signalCode}` };
      if (left <= 0) return { error: `no answer within ${timeoutMs} ms` };
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return JSON.parse(this.#lines.shift()!) as T;
  }

  /** Sends an order and waits for its answer. */
  ask<T>(order: unknown, timeoutMs: number): Promise<T | { error: string }> {
    this.child.stdin!.write(`${JSON.stringify(order)}\n`);
    return this.next<T>(timeoutMs);
  }

  /** Ends the process, by force if it doesn't end by itself. */
  async end(): Promise<void> {
    this.child.stdin!.end();
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 2_000);
    if (!this.#ended) await new Promise<void>((resolve) => this.child.once("close", () => resolve()));
    clearTimeout(timer);
  }
}

/**
 * How a process treats its garbage: `kept` for measuring what calls allocate (see heap.ts), `collectable` for being able
 * to ask for a collection.
 */
export type Garbage = "usual" | "kept" | "collectable";

/** Starts a script of this folder on a runtime. */
export function startScript(
  runtime: Runtime,
  script: string,
  args: readonly string[],
  garbage: Garbage = "usual",
): Lines {
  const path = fileURLToPath(new URL(script, import.meta.url));
  if (runtime === "bun") {
    return new Lines(executable("bun"), ["run", path, ...args], garbage === "kept" ? BUN_HEAP_ENVIRONMENT : {});
  }
  const flags = garbage === "kept" ? V8_HEAP_FLAGS : garbage === "collectable" ? ["--expose-gc"] : [];
  if (runtime === "node") return new Lines(executable("node"), [...flags, path, ...args]);
  const v8 = flags.length > 0 ? [`--v8-flags=${flags.join(",")}`] : [];
  return new Lines(executable("deno"), ["run", "-A", "--no-check", ...v8, path, ...args]);
}

/** Starts backends; they run on Node whatever the client runs on, so that only the client differs. */
export async function startBackends(count: number): Promise<{ addresses: Addresses; end(): Promise<void> }> {
  const backends = Array.from({ length: count }, () => startScript("node", "backend/responder.ts", []));
  const listening = await Promise.all(backends.map((backend) => backend.next<Record<Kind, string>>(START_MS)));
  const addresses: Partial<Record<Kind, string[]>> = {};
  for (const kind of KINDS) {
    addresses[kind] = listening.map((ports) => {
      if ("error" in ports) throw new Error(`a backend did not start: ${ports.error}`);
      return ports[kind];
    });
  }
  return {
    addresses: addresses as Addresses,
    async end() {
      await Promise.all(backends.map((backend) => backend.end()));
    },
  };
}

/** What a runtime calls its version. */
export async function versionOf(runtime: Runtime): Promise<string> {
  const child = spawn(executable(runtime), ["--version"], { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.on("data", (chunk) => text += chunk);
  await new Promise((resolve) => child.once("close", resolve));
  return text.split("\n")[0]!.replace(/^(deno )?v?/, "").replace(/ .*/, "");
}
