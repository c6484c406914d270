import type { ProbedEndpoint } from "./endpoint-probes.ts";
import type { Finding } from "./finding.ts";
import type { Greeting } from "./greeting.ts";

/** Slow by itself, in milliseconds. */
const SLOW_CONNECT_MS = 1_000, SLOW_PING_MS = 250;
/** Slow beside the others: so many times the median, and at least so many milliseconds. */
const TIMES_MEDIAN = 10, LEAST_MS = 25, LEAST_OTHERS = 3;

/** Servers that answer, but slowly. */
export function endpointLatency(endpoints: readonly ProbedEndpoint[]): readonly Finding[] {
  const { slow, median } = slowEndpoints(endpoints);
  return slow.map(({ endpoint, greeting: { connectMs, pingMs } }) => ({
    severity: "warning",
    what: "a server answers slowly",
    where: `${endpoint.address}: connected after ${connectMs.toFixed(0)} ms, a PING took ${pingMs.toFixed(1)} ms ` +
      `(the median is ${median.toFixed(1)} ms)`,
    next: "look at the load of its machine, and at the way there; run this again to see whether it stays so. " +
      "leastRequest() and peakEwma() send slow servers fewer calls",
  }));
}

/** A server that answered. */
type Answering = ProbedEndpoint & { readonly greeting: Greeting };

/** The servers that are slow, and the median of all PINGs. */
export function slowEndpoints(
  endpoints: readonly ProbedEndpoint[],
): { readonly slow: readonly Answering[]; readonly median: number } {
  const answering = endpoints.filter((probed): probed is Answering => probed.greeting !== undefined);
  const pings = answering.map(({ greeting: { pingMs } }) => pingMs).sort((a, b) => a - b);
  const median = pings[Math.floor(pings.length / 2)] ?? 0;
  const besideOthers = pings.length > LEAST_OTHERS ? Math.max(LEAST_MS, TIMES_MEDIAN * median) : Infinity;
  const slow = answering.filter(({ greeting: { connectMs, pingMs } }) => {
    return pingMs > Math.min(SLOW_PING_MS, besideOthers) || connectMs > SLOW_CONNECT_MS;
  });
  return { slow, median };
}
