import process from "node:process";
import { runtime } from "./guard/globals.ts";
import type { Result } from "./simulate.ts";

/** How often progress is printed. */
const EVERY_MS = 10_000;

/** What many runs came to. */
export class Totals {
  readonly #startedMs = runtime.now();
  #printedMs = this.#startedMs;
  #runs = 0;
  #virtualMs = 0;
  calls = 0;
  readonly #begun = new Map<string, number>();

  add({ virtualMs, calls, begun }: Result): void {
    this.#runs++;
    this.#virtualMs += virtualMs;
    this.calls += calls;
    for (const [kind, times] of begun) this.#begun.set(kind, (this.#begun.get(kind) ?? 0) + times);
  }

  /** A line, unless the last one was printed a moment ago. */
  progress(): string | undefined {
    if (runtime.now() < this.#printedMs + EVERY_MS) return undefined;
    this.#printedMs = runtime.now();
    return `${this.summary}; heap ${Math.round(process.memoryUsage().heapUsed / 1e6)} MB`;
  }

  /** How often each kind of fault has begun, the most frequent first. */
  get faults(): string {
    const kinds = [...this.#begun].sort((a, b) => b[1] - a[1]);
    return kinds.map(([kind, times]) => `${kind} ${times}`).join(", ") || "none";
  }

  get summary(): string {
    const seconds = (runtime.now() - this.#startedMs) / 1_000;
    const { user, system } = process.cpuUsage();
    const faults = [...this.#begun.values()].reduce((sum, times) => sum + times, 0);
    return [
      `${this.#runs} runs`,
      `${this.calls} calls (${Math.round(this.calls / (user + system) * 1e6)} per second of CPU)`,
      `${faults} faults`,
      `${(this.#virtualMs / 3_600_000).toFixed(1)} h in ${seconds.toFixed(0)} s`,
      `${Math.round(this.#virtualMs / 1_000 / seconds)} × real time`,
    ].join(", ");
  }
}
