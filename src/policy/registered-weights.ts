import type { Connection } from "../connection/connection.ts";
import { boundedWeights, meanWeight, sameWeights } from "./weights.ts";

/**
 * The weights that the connections' servers registered with, bounded; one without a weight counts as the mean of the
 * others. Undefined if all weights are the same.
 */
export function registeredWeights(connections: readonly Connection[]): readonly number[] | undefined {
  const bounded = boundedWeights(connections.map(({ endpoint }) => endpoint.weight ?? 0));
  if (sameWeights(bounded)) return undefined;
  const mean = meanWeight(bounded);
  return bounded.map((weight) => weight === 0 ? mean : weight);
}
