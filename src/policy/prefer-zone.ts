import type { Connection } from "../connection/connection.ts";
import { checkOptions, type Checks, kind, made, required, text } from "../option.ts";
import { checkPolicy } from "./check-policy.ts";
import { defaultPolicy } from "./default-policy.ts";
import { endOthers, Part, PartsPicker } from "./parts.ts";
import type { Policy } from "./policy.ts";
import { zoneShares } from "./zone-shares.ts";

/** Options of {@link preferZone}. */
export interface PreferZoneOptions {
  /** The zone in which this client runs, as servers register theirs (`register({ zone })`). */
  readonly zone: string;
  /**
   * How many clients there are in each zone, or their shares: `{ a: 50, b: 30, c: 20 }`. A zone that has more clients than
   * servers then leaves calls to others. Defaults to the same number in each zone that has servers.
   */
  readonly clients?: Readonly<Record<string, number>>;
}

const OPTIONS: Checks<PreferZoneOptions> = {
  zone: /* @__PURE__ */ required(text),
  clients: kind("an object with the number of clients of each zone, from 0, and not 0 for all", (value) => {
    if (typeof value !== "object" || value === null) return false;
    const counts: unknown[] = Object.values(value);
    return counts.every((count) => typeof count === "number" && count >= 0 && count < Infinity) &&
      counts.some((count) => count !== 0);
  }),
};

/**
 * Keeps calls in the client's own zone, as long as it has enough servers for them; Envoy's zone-aware routing. Within a
 * zone another policy chooses: `preferZone({ zone: "eu-1a" }, leastRequest())`.
 *
 * A zone whose share of the servers is smaller than its share of the clients serves as many calls as its servers can
 * take, and leaves the rest to zones that have more servers than clients. If there are fewer than two usable servers in
 * the client's own zone, it prefers none. Endpoints without a zone are a zone of their own. Where a zone has no
 * connection for a call, another one serves it: the own zone before the others.
 *
 * All connections are opened, so that another zone can take over at once.
 *
 * @param policy what chooses within a zone. Defaults to the default policy.
 * @throws TypeError or RangeError if an option is invalid.
 */
export function preferZone(options: PreferZoneOptions, policy: Policy = defaultPolicy()): Policy {
  checkOptions("preferZone()", options, OPTIONS);
  checkPolicy(policy);
  const { zone: own, clients } = options;
  return (connections, previous, env) => {
    const before = previous instanceof PartsPicker ? previous.parts as ReadonlyMap<string, Part> : undefined;
    const zones = new Map<string, Connection[]>([[own, []]]), usable = new Map<string, number>([[own, 0]]);
    for (const connection of connections) {
      const zone = connection.endpoint.zone ?? "", those = zones.get(zone);
      if (those === undefined) zones.set(zone, [connection]);
      else those.push(connection);
      usable.set(zone, (usable.get(zone) ?? 0) + (connection.failure === undefined ? 1 : 0));
    }
    const parts = new Map<string, Part>();
    for (const [zone, those] of zones) {
      const part = before?.get(zone) ?? new Part(policy, env);
      part.build(those);
      parts.set(zone, part);
    }
    endOthers(before, parts);
    const shares = zoneShares(own, usable, clients);
    return new PartsPicker(parts, [...parts.keys()].map((zone) => shares.get(zone) ?? 0), env.random);
  };
}

made(preferZone);
