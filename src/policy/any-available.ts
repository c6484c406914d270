import type { Connection } from "../connection/connection.ts";
import type { CallInfo, PolicyEnvironment } from "./policy.ts";

/**
 * One of the connections that are available now and that the call does not exclude, at random, each with a chance in
 * proportion to its weight (without weights: equal ones). It looks at all of them, so policies use it as a last resort.
 */
export function anyAvailable(
  connections: readonly Connection[],
  call: CallInfo,
  env: Pick<PolicyEnvironment, "random">,
  weights?: ArrayLike<number>,
): Connection | undefined {
  let chosen: Connection | undefined, total = 0;
  for (let i = 0; i < connections.length; i++) {
    const connection = connections[i]!;
    if (!connection.available || call.excluded(connection)) continue;
    const weight = weights === undefined ? 1 : weights[i]!;
    total += weight;
    if (env.random() * total < weight) chosen = connection;
  }
  return chosen;
}
