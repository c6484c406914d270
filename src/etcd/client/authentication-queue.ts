import type { Endpoint } from "../../endpoint.ts";
import { endpointIdentity } from "../../endpoint.ts";

/**
 * Queues of authentications waiting for their turn, by name. A queue exists while an authentication runs in it. Exported
 * for the simulation, whose programs end in the middle of one.
 */
export const queues: Map<string, (() => void)[]> = new Map();

/**
 * Names the queue in which registries of a process authenticate one after another: one for each user of each etcd. The
 * password is not part of the name, so it is not kept here.
 */
export function queueName(endpoints: readonly Endpoint[], user: string): string {
  return JSON.stringify([user, ...endpoints.map(endpointIdentity).sort()]);
}

/**
 * Runs `work` once everything queued before it has finished.
 *
 * @throws The signal's reason if it aborts while waiting, and what `work` throws.
 */
export async function inTurn<T>(queue: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const waiting = queues.get(queue);
  if (waiting === undefined) queues.set(queue, []);
  else await joined(waiting, signal);
  try {
    return await work();
  } finally {
    const next = queues.get(queue)?.shift();
    if (next === undefined) queues.delete(queue);
    else next();
  }
}

/** Resolves when its turn comes; leaves the queue when the signal aborts. */
function joined(waiting: (() => void)[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const turn = () => {
      signal.removeEventListener("abort", leave);
      resolve();
    };
    const leave = () => {
      waiting.splice(waiting.indexOf(turn), 1);
      reject(signal.reason);
    };
    signal.addEventListener("abort", leave);
    waiting.push(turn);
  });
}
