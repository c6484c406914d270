import type { ProbedEndpoint } from "./endpoint-probes.ts";
import type { Finding } from "./finding.ts";

/** Servers that say themselves that they should get no calls. */
export function endpointHealth(endpoints: readonly ProbedEndpoint[]): readonly Finding[] {
  return endpoints.flatMap(({ endpoint, health }) =>
    health !== "NOT_SERVING" ? [] : [{
      severity: "warning",
      what: "a server says NOT_SERVING when it is asked for its health (grpc.health.v1)",
      where: endpoint.address,
      next: "look at its log: it may be starting, stopping, or missing something that it needs. Clients with " +
        "health: [grpcHealth()] send it no calls; others do",
    }]
  );
}
