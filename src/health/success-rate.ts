/** The calls of an endpoint within an interval. */
export interface Volume {
  readonly succeeded: number;
  readonly failed: number;
}

/** Ejects endpoints whose share of successes is far below the others'. See {@link successRateOutliers}. */
export interface SuccessRateOptions {
  /** How many standard deviations below the mean is too far, in thousandths. Defaults to 1,900. */
  readonly stdevFactor?: number;
  /** How many calls an endpoint must have had in the interval to be looked at. Defaults to 100. */
  readonly requestVolume?: number;
  /** How many endpoints must have had that many calls. Defaults to 5: of fewer, none can be that far below the mean. */
  readonly minimumHosts?: number;
}

/**
 * gRFC A50's success-rate algorithm: those endpoints with enough calls whose success rate is below the mean of the
 * rates by more than so many standard deviations; the worst first. Among n endpoints of which k are equally bad, those
 * are √((n − k) / k) deviations below the mean: with a factor of 1,900, up to 21.7 % of the fleet can be found.
 */
export function successRateOutliers<V extends Volume>(all: readonly V[], options: Required<SuccessRateOptions>): V[] {
  const { stdevFactor, requestVolume, minimumHosts } = options;
  const known = all.filter(({ succeeded, failed }) => succeeded + failed >= requestVolume);
  if (known.length === 0 || known.length < minimumHosts) return [];
  const mean = known.reduce((sum, one) => sum + rateOf(one), 0) / known.length;
  const variance = known.reduce((sum, one) => sum + (rateOf(one) - mean) ** 2, 0) / known.length;
  const threshold = mean - Math.sqrt(variance) * stdevFactor / 1_000;
  return known.filter((one) => rateOf(one) < threshold).sort((a, b) => rateOf(a) - rateOf(b));
}

function rateOf({ succeeded, failed }: Volume): number {
  return succeeded / (succeeded + failed);
}
