import type { Runtime } from "./process.ts";

/** A line of `results/latest.json`. */
export interface Row {
  readonly runtime: Runtime;
  readonly case: string;
  readonly contender: string;
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Null where the load generator spins to start calls on time (open loop). */
  readonly cpuUsPerCall: number | null;
  /** Null where it was not measured. */
  readonly heapBytesPerCall: number | null;
}

/** The middle value; of an even number of values the lower one of the two in the middle. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1] ?? NaN;
}
