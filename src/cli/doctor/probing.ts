// Probes, each with a time limit.

import { systemClock } from "../../time/clock.ts";
import { untilAborted } from "../../time/until-aborted.ts";

/** The error of a probe that took too long. */
export class ProbeTimeout extends Error {
  override readonly name = "ProbeTimeout";

  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`);
  }
}

/** How long a probe may take, in milliseconds, and the signal that ends all of them. */
export interface ProbeLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Runs a probe, whose signal aborts when its time is up. The process stays alive meanwhile.
 *
 * @throws ProbeTimeout, the reason of `limits.signal`, or what the probe throws.
 */
export async function probe<T>(
  { timeoutMs, signal }: ProbeLimits,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const own = new AbortController();
  const abort = () => own.abort(signal.reason);
  signal.addEventListener("abort", abort);
  const timer = systemClock.timer(timeoutMs, () => own.abort(new ProbeTimeout(timeoutMs)), true);
  try {
    return await untilAborted(run(own.signal), own.signal);
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", abort);
    own.abort(new Error("the probe has ended"));
  }
}
