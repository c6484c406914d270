// Reading and sending many messages without blocking the event loop.

/** How many messages, or bytes of them, are handled in a row without yielding to the event loop. */
const MOST_MESSAGES = 1_000;
const MOST_BYTES = 1024 * 1024;

const { setImmediate, setTimeout } = globalThis as typeof globalThis & { setImmediate?: (run: () => void) => void };

let messages = 0;
let bytes = 0;

/**
 * Counts a message. Returns true every now and then: it is time to yield. A loop over messages that are already there
 * runs in microtasks, which would block timers, sockets and all other calls of the process for as long as there are
 * messages.
 */
export function turnIsOver(size: number): boolean {
  bytes += size;
  if (++messages < MOST_MESSAGES && bytes < MOST_BYTES) return false;
  messages = bytes = 0;
  return true;
}

/** Runs a callback in the next turn of the event loop. */
export function inNextTurn(run: () => void): void {
  if (setImmediate === undefined) setTimeout(run, 0);
  else setImmediate(run);
}

/** The promise of a result that is already there: every now and then it is delivered in the next turn. */
export function afterTurn<T>(result: T | Promise<T>, size: number): Promise<T> {
  if (result instanceof Promise) return result;
  if (!turnIsOver(size)) return Promise.resolve(result);
  return new Promise<T>((resolve) => inNextTurn(() => resolve(result)));
}
