import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import { shownTextOf } from "../error-text.ts";
import type { Staleness } from "../resolver/resolver.ts";
import { EMPTY_SET } from "../resolver/static.ts";

/** The parts of a balancer that are described. */
export interface Described {
  readonly target: string;
  readonly pool: { readonly connections: readonly EndpointConnection[] };
  readonly stale: Staleness | undefined;
  readonly knowledge: "unknown" | "known";
  readonly leftOut: Error | undefined;
  /** Whether health is ignored. */
  readonly panic: boolean;
  describeHealth(): string | undefined;
}

/** How many endpoints an error message lists one by one. */
const MOST_LISTED = 3;

/**
 * One line on the state of a service: how many endpoints are in which states, the last errors, and how stale the set
 * is. For example
 * `simple_grpc has 2 endpoints (1 connecting, 1 transient_failure); can't connect to 10.0.0.5:8000: no answer`.
 */
export function describeBalancer(balancer: Described, nowMs: number): string {
  const { target, pool: { connections }, stale, knowledge, leftOut, panic } = balancer;
  const parts: string[] = [];
  if (knowledge === "unknown") {
    parts.push(`the endpoints of ${target} are not known yet`);
  } else if (connections.length === 0) {
    const nobody = `${target} has no endpoints: has a server registered under this name?`;
    if (leftOut !== undefined) parts.push(`${target} has no endpoints that can be used: ${shownTextOf(leftOut)}`);
    else if (target === EMPTY_SET) parts.push("the list given to staticResolver() is empty");
    else parts.push(target === "" ? "the resolver's list is empty" : nobody);
  } else {
    const states = new Map<string, number>();
    for (const { state } of connections) states.set(state, (states.get(state) ?? 0) + 1);
    const counts = [...states].map(([state, count]) => `${count} ${state}`).join(", ");
    const noun = connections.length === 1 ? "endpoint" : "endpoints";
    parts.push(`${target} has ${connections.length} ${noun} (${counts})`);
    const full = connections.filter((connection) => connection.full).length;
    if (full > 0) {
      parts.push(`${full} of them ${full === 1 ? "has" : "have"} as many calls in flight as its server allows`);
    }
  }
  const healthText = balancer.describeHealth();
  if (healthText !== undefined) parts.push(healthText);
  const list = (texts: readonly string[], what: string) => {
    parts.push(...texts.slice(0, MOST_LISTED));
    if (texts.length > MOST_LISTED) parts.push(`and ${texts.length - MOST_LISTED} more that ${what}`);
  };
  const held: string[] = [], failed: string[] = [];
  for (const { endpoint: { address }, health, lastError } of connections) {
    const why = health === "unknown" ? "its health is not known yet" : shownTextOf(health);
    if (health !== "serving") held.push(`${address} ${panic ? "gets calls all the same" : "is held back"}: ${why}`);
    if (lastError === undefined) continue;
    const text = shownTextOf(lastError);
    failed.push(text.includes(address) ? text : `${address}: ${text}`);
  }
  list(held, panic ? "do" : "are held back");
  list(failed, "failed");
  if (stale !== undefined) {
    parts.push(`stale for ${((nowMs - stale.sinceMs) / 1000).toFixed(1)} s: ${shownTextOf(stale.cause)}`);
  }
  return parts.join("; ");
}
