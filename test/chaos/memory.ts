import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

const runtime = globalThis as { Bun?: { gc(force: boolean): void }; gc?: () => void };

/** Collects garbage, so that finalizers run. @throws Error if the runtime was not started with `--expose-gc`. */
export async function collect(): Promise<void> {
  // More than once: what a finalizer frees is collected by the next run.
  for (let i = 0; i < 3; i++) {
    if (runtime.Bun !== undefined) runtime.Bun.gc(true);
    else if (runtime.gc !== undefined) runtime.gc();
    else throw new Error("start the runtime with --expose-gc (Deno: --v8-flags=--expose-gc)");
    await sleep(20);
  }
}

/** What is in use after a collection, in MiB: the heap and buffers outside of it. */
export async function usedMiB(): Promise<number> {
  await collect();
  const { heapUsed, arrayBuffers, external } = process.memoryUsage();
  // Bun counts buffers in its heap; Node counts them in `external`, too.
  return (runtime.Bun !== undefined ? heapUsed : heapUsed + Math.max(external, arrayBuffers)) / 2 ** 20;
}

/** The memory of the whole process now, in MiB. */
export function residentMiB(): number {
  return process.memoryUsage().rss / 2 ** 20;
}
