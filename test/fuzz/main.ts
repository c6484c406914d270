// npm run fuzz -- [cases of each kind, of gRPC's a tenth; default 1,000,000] [first seed]

import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CASES, run } from "./cases.ts";

const count = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000_000);
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
