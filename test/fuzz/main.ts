// npm run fuzz -- [cases of each kind, default 1,000,000] [first seed]

import { CASES, run } from "./cases.ts";

const count = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000_000);
const STEP = 20_000;

for (let done = 0; done < count; done += STEP) {
  run(Math.min(STEP, count - done), seed + done);
  // What was queued for a microtask runs, and its memory goes.
  await new Promise((resolve) => setTimeout(resolve, 0));
  const heapMiB = Math.round(process.memoryUsage().heapUsed / (1 << 20));
  console.log(
    `${Math.min(count, done + STEP)} of ${count} cases of ${Object.keys(CASES).join(" and ")}, heap ${heapMiB} MiB`,
  );
}
