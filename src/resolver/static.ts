import { checkEndpoint, type Endpoint, ENDPOINT_FIELDS } from "../endpoint.ts";
import { givenOf, quoted, refuseUnknown } from "../option.ts";
import type { Resolution, Resolver } from "./resolver.ts";

/** The target of a set without endpoints. */
export const EMPTY_SET = "an empty static set";

/** How many endpoints the target lists by name. */
const MOST_NAMED = 3;

/**
 * A set of endpoints that never changes: `staticResolver(["a:1", "b:2"])`. Addresses are `host:port`, or
 * `unix:/path/of/socket` for links that can open one.
 *
 * @throws TypeError or RangeError immediately for an invalid endpoint; the message names the value and what is
 * expected.
 */
export function staticResolver(endpoints: readonly (string | Endpoint)[]): Resolver {
  if (!Array.isArray(endpoints)) {
    throw new TypeError(`staticResolver takes an array of addresses or endpoints, not ${quoted(endpoints)}`);
  }
  const set = endpoints.map((given: string | Endpoint): Endpoint => {
    const endpoint = typeof given === "string" ? { address: given } : given;
    checkEndpoint(endpoint);
    refuseUnknown(`an endpoint of staticResolver() (${endpoint.address})`, endpoint, ENDPOINT_FIELDS);
    return givenOf(endpoint, ENDPOINT_FIELDS);
  });
  const resolution: Resolution = { endpoints: set };
  return {
    target: targetOf(set),
    async *resolve(signal) {
      yield resolution;
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
    list: () => Promise.resolve(resolution),
  };
}

function targetOf(endpoints: readonly Endpoint[]): string {
  if (endpoints.length === 0) return EMPTY_SET;
  const named = endpoints.slice(0, MOST_NAMED).map(({ address }) => address).join(",");
  return endpoints.length > MOST_NAMED ? `${named} and ${endpoints.length - MOST_NAMED} more` : named;
}
