import type { FaultPlan } from "../plan/plan.ts";

/** From the beginning of a fault until all is well again. */
export interface BadTime {
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * The times in which faults have effects. `settlesMs` says how long the world may need to recover from something that
 * lasted so long, until then. A fault that begins before that is over makes the same bad time longer.
 */
export function badTimes(
  faults: readonly FaultPlan[],
  settlesMs: (lastedMs: number, overMs: number) => number,
): BadTime[] {
  const times: BadTime[] = [];
  let fromMs = 0, overMs = 0;
  const settledMs = () => overMs + settlesMs(overMs - fromMs, overMs);
  for (const { atMs, untilMs } of faults.toSorted((a, b) => a.atMs - b.atMs)) {
    if (atMs > settledMs()) {
      times.push({ fromMs, untilMs: settledMs() });
      fromMs = atMs;
    }
    overMs = Math.max(overMs, untilMs);
  }
  return [...times, { fromMs, untilMs: settledMs() }];
}

/** Whether nothing was bad from one time to another. */
export function isCalm(times: readonly BadTime[], fromMs: number, untilMs: number): boolean {
  return times.every((bad) => bad.untilMs < fromMs || untilMs < bad.fromMs);
}
