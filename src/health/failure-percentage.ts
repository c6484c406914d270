import type { Volume } from "./success-rate.ts";

/** Ejects endpoints that fail more than a share of their calls. See {@link failurePercentageOutliers}. */
export interface FailurePercentageOptions {
  /** An endpoint that fails more than this many of 100 calls is ejected. Defaults to 50. */
  readonly threshold?: number;
  /** How many calls an endpoint must have had in the interval to be looked at. Defaults to 10. */
  readonly requestVolume?: number;
  /** How many endpoints must have had that many calls. Defaults to 2. */
  readonly minimumHosts?: number;
}

/**
 * gRFC A50's failure-percentage algorithm: those endpoints with enough calls that failed strictly more than a
 * percentage of them; the worst first. None if that is true of all of them: they are alike, and calls would fail on any
 * other as well.
 */
export function failurePercentageOutliers<V extends Volume>(
  all: readonly V[],
  options: Required<FailurePercentageOptions>,
): V[] {
  const { threshold, requestVolume, minimumHosts } = options;
  const known = all.filter(({ succeeded, failed }) => succeeded + failed >= requestVolume);
  if (known.length < minimumHosts) return [];
  const outliers = known.filter((one) => percentageOf(one) > threshold);
  if (outliers.length === known.length) return [];
  return outliers.sort((a, b) => percentageOf(b) - percentageOf(a));
}

function percentageOf({ succeeded, failed }: Volume): number {
  return 100 * failed / (succeeded + failed);
}
