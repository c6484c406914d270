import { connectAll } from "./circle.ts";
import type { Policy } from "./policy.ts";
import { weightedPicker } from "./weighted-picker.ts";

/**
 * What a transport does without a policy: `weightedRoundRobin()`, by the weights that servers register with. A file of
 * its own, so that only programs that use load reports contain the code for them.
 */
export function defaultPolicy(): Policy {
  return (connections, previous, env) => {
    connectAll(connections);
    return weightedPicker(connections, connections.map(({ endpoint }) => endpoint.weight ?? 0), previous, env);
  };
}
