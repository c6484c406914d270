import type { Clock } from "./clock.ts";

let depth = 0;
/** The clock that was read since the chunk began, and its time. */
let read: Clock | undefined;
let readMs = 0;
/** What waits until the chunk is read. */
const waiting: (() => void)[] = [];

/**
 * A chunk of bytes is read from here on, in this turn of the event loop: what is in it arrived at the same time. Must be
 * followed by `endArrival`, whatever happens.
 */
export function beginArrival(): void {
  depth++;
  read = undefined;
}

/** The chunk has been read. */
export function endArrival(): void {
  depth--;
  read = undefined;
  while (depth === 0 && waiting.length > 0) waiting.shift()!();
}

/** Runs something, which must not throw, as soon as the chunk has been read. Returns false if none is being read. */
export function afterArrival(run: () => void): boolean {
  if (depth > 0) waiting.push(run);
  return depth > 0;
}

/**
 * When the bytes arrived that are being read; outside of that, now. Many small answers arrive in one chunk, and reading
 * the clock for each is what measuring them costs most.
 */
export function arrivedMs(clock: Clock): number {
  if (depth === 0) return clock.now();
  if (read !== clock) {
    readMs = clock.now();
    read = clock;
  }
  return readMs;
}
