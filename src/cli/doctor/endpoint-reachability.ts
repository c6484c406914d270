import { shownText } from "../../shown-text.ts";
import { serverAdvice } from "./connect-advice.ts";
import type { ProbedEndpoint } from "./endpoint-probes.ts";
import type { Finding } from "./finding.ts";

/** Registered servers that clients can't connect to. */
export function endpointReachability(endpoints: readonly ProbedEndpoint[]): readonly Finding[] {
  return endpoints.flatMap(({ endpoint, services, leased, trouble }) =>
    trouble === undefined ? [] : [{
      severity: "error",
      ...serverAdvice(trouble, leased),
      where: `${endpoint.address} of ${services.map((service) => shownText(service)).join(", ")}`,
    }]
  );
}
