// Runs the simulations that it is sent, one after another; see jobs.ts.
import { parentPort } from "node:worker_threads";
import { contenderNamed } from "./contenders.ts";
import type { Job, JobResult } from "./jobs.ts";
import { simulate } from "./model/simulate.ts";
import { shapeNamed } from "./shapes.ts";

// Errors are made by the thousand, and nobody reads where.
Error.stackTraceLimit = 0;

parentPort!.on("message", async ({ id, shape, contender, seed }: Job) => {
  const startMs = performance.now();
  const result = await simulate(shapeNamed(shape), contenderNamed(contender), seed);
  parentPort!.postMessage({ id, result, tookMs: performance.now() - startMs } satisfies JobResult);
});
