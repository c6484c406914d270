import type { Result } from "./model/shape.ts";

/** What a policy showed in a shape: the means of several seeds. */
export interface FleetRow extends Omit<Result, "arrived"> {
  readonly shape: string;
  readonly contender: string;
}

/** The means of simulations of one shape and contender. */
export function rowOf(shape: string, contender: string, results: readonly Result[]): FleetRow {
  const mean = (of: (result: Result) => number) => results.reduce((sum, r) => sum + of(r), 0) / results.length;
  return {
    shape,
    contender,
    calls: mean((r) => r.calls),
    succeeded: mean((r) => r.succeeded),
    failed: mean((r) => r.failed),
    unfinished: mean((r) => r.unfinished),
    meanMs: mean((r) => r.meanMs),
    p50Ms: mean((r) => r.p50Ms),
    p99Ms: mean((r) => r.p99Ms),
    p995Ms: mean((r) => r.p995Ms),
    p999Ms: mean((r) => r.p999Ms),
    attemptsPerCall: mean((r) => r.attemptsPerCall),
    probesPerCall: mean((r) => r.probesPerCall),
  };
}

/** Calls that failed, or never ended, per call. */
export function failedShare({ failed, unfinished, calls }: FleetRow): number {
  return (failed + unfinished) / calls;
}
