import assert from "node:assert/strict";
import type { Runtime } from "../support/process.ts";

/** What a call may leave behind: less than the smallest object, so nothing at all; caches and code may grow a little. */
const BYTES_PER_CALL = 8;
const BYTES_AT_MOST = 2 ** 20;

/** Arguments of each runtime that let a program collect its garbage. */
export const FLAGS: Readonly<Record<Runtime, readonly string[]>> = {
  node: ["--expose-gc"],
  bun: ["run"],
  deno: ["run", "-A", "--no-check", "--v8-flags=--expose-gc"],
};

/** The first checkpoints are for warming up; from then on memory must not grow with the calls. */
export function flat(used: readonly number[], calls: number, what: string): void {
  const from = Math.floor(used.length / 4);
  const growth = Math.min(...used.slice(-2)) - Math.max(used[from]!, used[from + 1]!);
  const allowed = BYTES_AT_MOST + BYTES_PER_CALL * calls;
  assert.ok(growth < allowed, `${what} left ${growth} bytes behind: ${used.join(", ")}`);
}
