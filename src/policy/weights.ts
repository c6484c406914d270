/** How far a weight may be from the median. */
const SPREAD = 100;

/**
 * Weights of endpoints, each brought within 1/100 to 100 times the median: they come from servers, and a single one that
 * is wrong by orders of magnitude must neither get all calls nor none. A weight of 0 is not known, and stays 0.
 */
export function boundedWeights(weights: readonly number[]): readonly number[] {
  const known = weights.filter((weight) => weight > 0);
  if (known.every((weight) => weight === known[0])) return weights;
  const median = medianOf(known);
  const least = median / SPREAD, most = median * SPREAD;
  return weights.map((weight) => weight === 0 ? 0 : Math.min(most, Math.max(least, weight)));
}

/** The mean of the weights that are known. */
export function meanWeight(weights: readonly number[]): number {
  const known = weights.filter((weight) => weight > 0);
  // The sum could be infinite.
  return known.reduce((mean, weight) => mean + weight / known.length, 0);
}

function medianOf(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort(), middle = sorted.length >> 1;
  const upper = sorted[middle]!, lower = sorted.length % 2 === 0 ? sorted[middle - 1]! : upper;
  return lower + (upper - lower) / 2;
}
