import type { Connection } from "../connection/connection.ts";
import { inHashOrder, randomSeed } from "../hash/hash-order.ts";
import type { Uint64 } from "../hash/xxh64.ts";
import { checkOptions, type Checks, made, required, wholeNumber } from "../option.ts";
import { checkPolicy } from "./check-policy.ts";
import { defaultPolicy } from "./default-policy.ts";
import type { Policy, PolicyEnvironment } from "./policy.ts";

/** Options of {@link subset}. */
export interface SubsetOptions {
  /** How many endpoints a client uses; if there are no more, all. gRPC's `subsetSize`. */
  readonly size: number;
}

const OPTIONS: Checks<SubsetOptions> = { size: /* @__PURE__ */ required(wholeNumber(1)) };

/**
 * Uses a random part of the endpoints, and leaves the choice among them to another policy; gRPC's
 * `random_subsetting_experimental` (gRFC A68). For services with so many clients and servers that not every client can
 * have a connection to every server: `subset({ size: 20 }, leastRequest())`.
 *
 * The part is stable: an endpoint that comes or goes changes at most one of it. Endpoints outside it are not connected
 * to; those that leave it finish their calls and are closed. Among 1,000 clients that use 20 of 200 servers each, the
 * busiest server has about 1.3 times the mean; where the clients are registered too, `peerSubset()` deals servers out evenly.
 *
 * @param policy what chooses among the part. Defaults to the default policy.
 * @throws TypeError or RangeError if an option is invalid.
 */
export function subset(options: SubsetOptions, policy: Policy = defaultPolicy()): Policy {
  checkOptions("subset()", options, OPTIONS);
  checkPolicy(policy);
  const { size } = options;
  const states = new WeakMap<PolicyEnvironment, State>();
  let seed: Uint64 | undefined;
  const choose = (connections: readonly Connection[], { random }: PolicyEnvironment): readonly Connection[] => {
    if (connections.length <= size) return connections;
    seed ??= randomSeed(random);
    const chosen = new Set(inHashOrder(connections, ({ endpoint }) => endpoint.address, seed).slice(0, size));
    return connections.filter((connection) => chosen.has(connection));
  };
  return (connections, previous, env) => {
    let state = states.get(env);
    if (state?.connections !== connections) {
      const chosen = choose(connections, env), now = new Set(chosen);
      for (const connection of state?.chosen ?? []) if (!now.has(connection)) connection.disconnect();
      states.set(env, state = { connections, chosen });
    }
    return policy(state.chosen, previous, env);
  };
}

/** What a transport uses. */
interface State {
  /** The list that was chosen from: another one whenever the set changes. */
  readonly connections: readonly Connection[];
  /** In the same order. */
  readonly chosen: readonly Connection[];
}

made(subset);
