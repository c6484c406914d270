import type { Connection } from "../connection/connection.ts";
import type { Endpoint } from "../endpoint.ts";
import { checkOptions, type Checks, fn, made, required } from "../option.ts";
import { checkPolicy } from "./check-policy.ts";
import { defaultPolicy } from "./default-policy.ts";
import { endOthers, Part, PartsPicker } from "./parts.ts";
import type { Policy } from "./policy.ts";

/** Options of {@link failover}. */
export interface FailoverOptions {
  /**
   * The group of an endpoint, as a number: lower ones come first. For example
   * `({ zone }) => zone === "eu-1" ? 0 : 1`. It must return the same number for the same attributes.
   */
  readonly priority: (endpoint: Endpoint) => number;
}

const OPTIONS: Checks<FailoverOptions> = {
  priority: /* @__PURE__ */ required(fn("a function that returns a number, (endpoint) => number")),
};

/** How much more than its share the rest of a group can take: Envoy's overprovisioning factor. */
const OVERPROVISIONING = 1.4;

/**
 * Uses a group of endpoints, and those of the next group only as far as the first has lost too many: a primary data
 * centre and its backup. Envoy's priority levels; like gRPC's `priority_experimental`. Within a group another policy
 * chooses: `failover({ priority: ({ zone }) => zone === "eu-1" ? 0 : 1 }, leastRequest())`.
 *
 * A group is expected to carry 1.4 times its usual calls per endpoint: it keeps all calls as long as 72 % of its
 * endpoints are usable, 70 % of them with half of its endpoints, and leaves the rest to the next group. Endpoints that
 * can't be connected, or are ejected or not serving, are not usable. A group is connected to when it is needed first,
 * and stays connected.
 *
 * @param policy what chooses within a group. Defaults to the default policy.
 * @throws TypeError if an option is invalid, and when it is used if `priority` returns something else than a number.
 */
export function failover(options: FailoverOptions, policy: Policy = defaultPolicy()): Policy {
  checkOptions("failover()", options, OPTIONS);
  checkPolicy(policy);
  const { priority } = options;
  return (connections, previous, env) => {
    const before = previous instanceof PartsPicker ? previous.parts as ReadonlyMap<number, Part> : undefined;
    const groups = grouped(connections, priority);
    const shares = groupShares([...groups.values()].map((group) => group.map(({ failure }) => failure === undefined)));
    const parts = new Map<number, Part>(), partShares: number[] = [];
    let at = 0;
    for (const [number, group] of groups) {
      const share = shares[at++]!, known = before?.get(number);
      // The first one is asked in any case: it knows why there is no connection.
      if (share === 0 && known === undefined && parts.size > 0) continue;
      const part = known ?? new Part(policy, env);
      part.build(group);
      parts.set(number, part);
      partShares.push(share);
    }
    endOthers(before, parts);
    return new PartsPicker(parts, partShares, env.random);
  };
}

made(failover);

/** The groups, first things first. */
function grouped(
  connections: readonly Connection[],
  priority: (endpoint: Endpoint) => number,
): Map<number, Connection[]> {
  const groups = new Map<number, Connection[]>();
  for (const connection of connections) {
    const number = priority(connection.endpoint);
    if (typeof number !== "number" || Number.isNaN(number)) {
      throw new TypeError(`priority of failover() returned ${String(number)} for ${connection.endpoint.address}`);
    }
    const group = groups.get(number);
    if (group === undefined) groups.set(number, [connection]);
    else group.push(connection);
  }
  return new Map([...groups].sort(([a], [b]) => a - b));
}

/**
 * The share of the calls of each group, by which of its endpoints are usable. If all groups together can't carry the
 * calls, each gets its part of what they can; if none can, the first gets all.
 */
export function groupShares(usable: readonly (readonly boolean[])[]): number[] {
  const able = usable.map((group) => OVERPROVISIONING * group.filter(Boolean).length / group.length);
  const total = Math.min(1, able.reduce((sum, each) => sum + each, 0));
  if (total === 0) return able.map((_, i) => (i === 0 ? 1 : 0));
  let left = total;
  return able.map((each) => {
    const share = Math.min(each, left);
    left -= share;
    return share / total;
  });
}
