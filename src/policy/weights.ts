/** How far a weight may be from the median. */
const SPREAD = 100;

/**
 * Weights of endpoints, each brought within 1/100 to 100 times the median: they come from servers, and a single one that
 * is wrong by orders of magnitude must neither get all calls nor none. A weight of 0 is not known, and stays 0.
 */
export function boundedWeights(weights: readonly number[]): readonly number[] {
  if (sameWeights(weights)) return weights;
  const known = weights.filter((weight) => weight > 0);
  const median = medianOf(known);
  const least = median / SPREAD, most = median * SPREAD;
  return weights.map((weight) => weight === 0 ? 0 : Math.min(most, Math.max(least, weight)));
}

/** Whether all that are known are the same. */
export function sameWeights(weights: readonly number[]): boolean {
  let known = 0;
  for (const weight of weights) {
    if (weight === 0 || weight === known) continue;
    if (known !== 0) return false;
    known = weight;
  }
  return true;
}

/** The mean of the weights that are known. */
export function meanWeight(weights: readonly number[]): number {
  const known = weights.filter((weight) => weight > 0);
  // The sum could be infinite.
  return known.reduce((mean, weight) => mean + weight / known.length, 0);
}

function medianOf(values: readonly number[]): number {
  const sorted = new Float64Array(values).sort(), middle = sorted.length >> 1;
  const upper = sorted[middle]!, lower = sorted.length % 2 === 0 ? sorted[middle - 1]! : upper;
  return lower + (upper - lower) / 2;
}
