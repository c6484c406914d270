import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Result } from "./model/shape.ts";

/** A simulation to make. Names, since it is made in another thread. */
export interface Job {
  readonly id: number;
  readonly shape: string;
  readonly contender: string;
  readonly seed: number;
}

/** What a worker answers. */
export interface JobResult {
  readonly id: number;
  readonly result: Result;
  readonly tookMs: number;
}

/** Makes simulations on all cores. Which core makes which has no influence on the results. */
export async function runJobs(
  jobs: readonly Omit<Job, "id">[],
  onDone: (job: Omit<Job, "id">, done: JobResult) => void,
): Promise<void> {
  let next = 0;
  const work = async () => {
    const worker = new Worker(new URL("worker.ts", import.meta.url));
    try {
      while (next < jobs.length) {
        const id = next++;
        onDone(jobs[id]!, await answerOf(worker, { ...jobs[id]!, id }));
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), jobs.length) }, work));
}

function answerOf(worker: Worker, job: Job): Promise<JobResult> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) =>
      reject(new Error(`${job.contender} in ${job.shape}, seed ${job.seed}: ${error.message}`, { cause: error }));
    worker.once("error", onError);
    worker.once("message", (answer: JobResult) => {
      worker.off("error", onError);
      resolve(answer);
    });
    worker.postMessage(job);
  });
}
