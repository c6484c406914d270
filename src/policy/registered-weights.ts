import type { Connection } from "../connection/connection.ts";
import { boundedWeights, meanWeight } from "./weights.ts";

/**
 * The weights that the connections' servers registered with, bounded; one without a weight counts as the mean of the
 * others. Undefined if all weights are the same.
 */
export function registeredWeights(connections: readonly Connection[]): readonly number[] | undefined {
  const first = connections[0]?.endpoint.weight;
  if (connections.every(({ endpoint }) => endpoint.weight === first)) return undefined;
  const bounded = boundedWeights(connections.map(({ endpoint }) => endpoint.weight ?? 0)), mean = meanWeight(bounded);
  const weights = bounded.map((weight) => weight === 0 ? mean : weight);
  return weights.every((weight) => weight === weights[0]) ? undefined : weights;
}
