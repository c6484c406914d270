import type { ProbedEndpoint } from "./endpoint-probes.ts";
import type { Finding } from "./finding.ts";

/** RFC 9113 section 6.5.2 recommends at least 100, so as not to limit parallelism unnecessarily. */
const FEW_STREAMS = 100;
/** What a request with a token or two needs. */
const SMALL_HEADERS_BYTES = 8_192;

/** Servers whose SETTINGS leave calls little room. */
export function endpointSettings(endpoints: readonly ProbedEndpoint[]): readonly Finding[] {
  return endpoints.flatMap(({ endpoint: { address: where }, greeting }): Finding[] => {
    if (greeting === undefined) return [];
    const { maxConcurrentStreams, maxHeaderListSize } = greeting.settings;
    const findings: Finding[] = [];
    if (maxConcurrentStreams === 0) {
      findings.push({
        severity: "error",
        what: "a server accepts no calls: its SETTINGS say MAX_CONCURRENT_STREAMS 0",
        where,
        next: "look whether it is overloaded or being stopped; otherwise raise limits.maxConcurrentStreams there",
      });
    } else if (maxConcurrentStreams < FEW_STREAMS) {
      findings.push({
        severity: "warning",
        what:
          `a server allows each client ${maxConcurrentStreams} calls at a time (MAX_CONCURRENT_STREAMS); others wait`,
        where,
        next: "raise limits.maxConcurrentStreams at the server, or at the proxy in between; or let clients open more " +
          "connections: grpcConnector({ maxConnectionsPerEndpoint })",
      });
    }
    if (maxHeaderListSize < SMALL_HEADERS_BYTES) {
      findings.push({
        severity: "warning",
        what: `a server accepts ${maxHeaderListSize} bytes of headers (MAX_HEADER_LIST_SIZE): calls with more fail`,
        where,
        next: "raise limits.maxHeaderListBytes at the server, or send less metadata",
      });
    }
    return findings;
  });
}
