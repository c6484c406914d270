import type { Transport } from "@connectrpc/connect";
import { atMost } from "../concurrently.ts";
import { CallStatistics } from "./call-statistics.ts";
import { makeCall, type Request } from "./made-call.ts";

/** How often, and how many at a time. */
export interface Repetition {
  readonly calls: number;
  readonly atOnce: number;
  /** Called after each. */
  readonly onCall: (done: number) => void;
}

/** Many calls, and how long they took together. */
export interface ManyCalls {
  readonly statistics: CallStatistics;
  readonly elapsedMs: number;
}

/** Makes the same call again and again; ends early when the request's signal aborts. */
export async function makeCalls(
  transport: Transport,
  request: Request,
  { calls, atOnce, onCall }: Repetition,
): Promise<ManyCalls> {
  const statistics = new CallStatistics(), startedMs = performance.now(), { signal } = request.limits;
  let begun = 0, done = 0;
  await atMost(atOnce, Array.from({ length: Math.min(atOnce, calls) }), async () => {
    while (begun < calls && !signal.aborted) {
      begun++;
      const call = await makeCall(transport, request, () => {});
      // What was cut off here says nothing about the servers.
      if (signal.aborted) return;
      statistics.add(call);
      onCall(++done);
    }
  });
  return { statistics, elapsedMs: performance.now() - startedMs };
}
