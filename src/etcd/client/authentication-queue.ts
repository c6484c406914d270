import type { Endpoint } from "../../endpoint.ts";
import { endpointIdentity } from "../../endpoint.ts";

/** Those who wait for their turn, by queue. A queue exists while someone has the turn. */
const queues = new Map<string, (() => void)[]>();

/**
 * Which registries of a process authenticate one after another: those of one user at one etcd. The password is no part of
 * it, so that it is kept nowhere.
 */
export function queueName(endpoints: readonly Endpoint[], user: string): string {
  return JSON.stringify([user, ...endpoints.map(endpointIdentity).sort()]);
}

/**
 * Does `work` when everyone who came before has done theirs.
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

/** Resolves when it is called out of the queue; leaves the queue when the signal aborts. */
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
    signal.addEventListener("abort", leave, { once: true });
    waiting.push(turn);
  });
}
