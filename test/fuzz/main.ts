// `npm run fuzz`: seeded cases of each kind, and the heap must not grow by them.

import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { commandLine } from "../support/command-line.ts";
import { CASES, run } from "./cases.ts";

const USAGE = `Feeds seeded random bytes and frames to what reads a peer's: ${Object.keys(CASES).join(", ")}.

  npm run fuzz [-- CASES [SEED]]

  CASES    how many of each kind (of gRPC's a tenth); default 1,000,000
  SEED     the first case's seed; default: from the clock
  --help   this text

Ends with code 1 at the first case that fails, whose seed it prints, or when the heap grows.`;

const { positionals } = commandLine(USAGE, {
  allowPositionals: true,
});
const count = positiveInteger("CASES", positionals[0], 1_000_000);
const seed = positiveInteger("SEED", positionals[1], Date.now() % 1_000_000_000);
const STEP = 20_000;
/** What the heap may grow by over the run: caches and compiled code, and nothing for each case. */
const GROWTH_BYTES = 2 << 20;

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

/** The heap without what nothing holds. */
async function heapBytes(): Promise<number> {
  // What was queued for a microtask or a turn runs, and its memory goes.
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    gc();
  }
  return process.memoryUsage().heapUsed;
}

function positiveInteger(name: string, given: string | undefined, otherwise: number): number {
  const value = Number(given ?? otherwise);
  if (Number.isSafeInteger(value) && value > 0) return value;
  console.error(`${name} is ${given}: expected a whole number above 0\n\n${USAGE}`);
  process.exit(2);
}

const MiB = (bytes: number) => (bytes / (1 << 20)).toFixed(1);

// The first cases, which are not counted, fill the caches.
await run(Math.min(STEP, count), seed);
const before = await heapBytes();
for (let done = 0; done < count; done += STEP) {
  await run(Math.min(STEP, count - done), seed + done);
  const heap = await heapBytes();
  const progress = `${Math.min(count, done + STEP)} of ${count} cases of ${Object.keys(CASES).join(" and ")}`;
  console.log(`${progress}, heap ${MiB(heap)} MiB, ${MiB(before)} at first`);
  if (heap - before > GROWTH_BYTES) {
    console.error(`the heap has grown by ${MiB(heap - before)} MiB, which is more than ${MiB(GROWTH_BYTES)}`);
    process.exit(1);
  }
}
// What a case left open must not hold this program.
process.exit();
