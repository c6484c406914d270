import process from "node:process";
import { runtime } from "./guard/globals.ts";
import type { Result } from "./simulate.ts";

/** How often progress is printed. */
const EVERY_MS = 10_000;

/** What a run came to, as it can be told to another process. */
export interface Played extends Pick<Result, "hash" | "failure" | "virtualMs" | "events" | "calls" | "succeeded"> {
  readonly seed: number;
  readonly begun: Readonly<Record<string, number>>;
  /** How much CPU the process has used since the run before, or since its start. */
  readonly cpuMs: number;
  readonly heapBytes: number;
}

let cpuMs = 0;

/** What a run of this process came to. Called once for each. */
export function playedOf({ plan: { seed }, begun, ...result }: Result): Played {
  const { hash, failure, virtualMs, events, calls, succeeded } = result, { user, system } = process.cpuUsage();
  const beforeMs = cpuMs;
  cpuMs = (user + system) / 1_000;
  return {
    ...{ seed, hash, failure, virtualMs, events, calls, succeeded },
    begun: Object.fromEntries(begun),
    cpuMs: cpuMs - beforeMs,
    heapBytes: process.memoryUsage().heapUsed,
  };
}

/** What many runs came to. */
export class Totals {
  readonly #startedMs = runtime.now();
  #printedMs = this.#startedMs;
  #runs = 0;
  #failed = 0;
  #virtualMs = 0;
  #cpuMs = 0;
  #traces = 0n;
  calls = 0;
  readonly #begun = new Map<string, number>();

  add({ virtualMs, calls, begun, cpuMs, hash, failure }: Played): void {
    this.#runs++;
    if (failure !== undefined) this.#failed++;
    this.#virtualMs += virtualMs;
    this.#cpuMs += cpuMs;
    this.#traces ^= BigInt(`0x${hash}`);
    this.calls += calls;
    for (const [kind, times] of Object.entries(begun)) this.#begun.set(kind, (this.#begun.get(kind) ?? 0) + times);
  }

  /** A line, unless the last one was printed a moment ago. */
  progress({ heapBytes }: Played): string | undefined {
    if (runtime.now() < this.#printedMs + EVERY_MS) return undefined;
    this.#printedMs = runtime.now();
    return `${this.summary}; heap ${Math.round(heapBytes / 1e6)} MB`;
  }

  /** How often each kind of fault has begun, the most frequent first. */
  get faults(): string {
    const kinds = [...this.#begun].sort((a, b) => b[1] - a[1]);
    return kinds.map(([kind, times]) => `${kind} ${times}`).join(", ") || "none";
  }

  /** One hash of all traces, in whatever order they were played. */
  get traces(): string {
    return this.#traces.toString(16).padStart(16, "0");
  }

  get summary(): string {
    const seconds = (runtime.now() - this.#startedMs) / 1_000;
    const faults = [...this.#begun.values()].reduce((sum, times) => sum + times, 0);
    return [
      `${this.#runs} runs (${this.#failed} failed)`,
      `${this.calls} calls (${Math.round(this.calls / this.#cpuMs * 1_000)} per second of CPU)`,
      `${faults} faults`,
      `${(this.#virtualMs / 3_600_000).toFixed(1)} h in ${seconds.toFixed(0)} s`,
      `${Math.round(this.#virtualMs / 1_000 / seconds)} × real time`,
    ].join(", ");
  }
}
