// Reading many messages without blocking the event loop.

/** How many messages, or bytes of them, are read in a row without yielding to the event loop. */
const MOST_MESSAGES = 1_000;
const MOST_BYTES = 1024 * 1024;

const { setImmediate, setTimeout } = globalThis as typeof globalThis & { setImmediate?: (run: () => void) => void };

let messages = 0;
let bytes = 0;

/**
 * The promise of a result that is already there. A loop that reads only such results runs in microtasks, which would
 * block timers, sockets and all other calls of the process for as long as there are messages: so every now and then a
 * result is delivered in the next turn of the event loop.
 */
export function afterTurn<T>(result: T | Promise<T>, size: number): Promise<T> {
  if (result instanceof Promise) return result;
  bytes += size;
  if (++messages < MOST_MESSAGES && bytes < MOST_BYTES) return Promise.resolve(result);
  messages = bytes = 0;
  return new Promise<T>((resolve) => {
    const run = () => resolve(result);
    if (setImmediate === undefined) setTimeout(run, 0);
    else setImmediate(run);
  });
}
