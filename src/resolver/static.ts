import { checkEndpointAddress, type Endpoint } from "../endpoint.ts";
import type { Resolution, Resolver } from "./resolver.ts";

/**
 * A set of endpoints that never changes: `staticResolver(["a:1", "b:2"])`.
 *
 * @throws TypeError or RangeError at once for an address that is none; see `parseAddress`. `unix:/path` is taken as well.
 */
export function staticResolver(endpoints: readonly (string | Endpoint)[]): Resolver {
  if (!Array.isArray(endpoints)) {
    throw new TypeError(`staticResolver takes an array of addresses or endpoints, not ${String(endpoints)}`);
  }
  const resolution: Resolution = {
    endpoints: endpoints.map((endpoint: string | Endpoint) => {
      if (typeof endpoint === "object" && endpoint !== null) {
        checkEndpointAddress(endpoint.address);
        return endpoint;
      }
      checkEndpointAddress(endpoint);
      return { address: endpoint };
    }),
  };
  return {
    target: endpoints.map((endpoint) => (typeof endpoint === "string" ? endpoint : endpoint.address)).join(","),
    async *resolve(signal) {
      yield resolution;
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
    list: () => Promise.resolve(resolution),
  };
}
