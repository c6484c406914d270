// What a trace says of a transport's events.

import type { BalancerEvent } from "../../balancer/event.ts";
import { endpointIdentity } from "../../endpoint.ts";
import { textOf } from "../../error-text.ts";
import { shownText } from "../../shown-text.ts";
import type { Severity, TraceEvent } from "./trace.ts";

/** An event as a trace keeps it. */
export function traced(event: BalancerEvent): TraceEvent {
  const [severity, description] = described(event);
  const endpoint = "endpoint" in event && event.type !== "endpoint-skipped" ? event.endpoint : undefined;
  return { severity, description, endpoint: endpoint && endpointIdentity(endpoint) };
}

function described(event: BalancerEvent): [Severity, string] {
  const because = "cause" in event && event.cause !== undefined ? `: ${shownText(textOf(event.cause))}` : "";
  switch (event.type) {
    case "endpoints-changed": {
      const { added, removed, total } = event;
      return [total === 0 ? "warning" : "info", `endpoints: ${total} (${added.length} new, ${removed.length} gone)`];
    }
    case "endpoint-skipped":
      return ["warning", `an endpoint is invalid and was skipped${because}`];
    case "config-skipped":
      return ["warning", `the service config is invalid and was skipped${because}`];
    case "policy-failed":
      return ["error", `the policy failed${because}`];
    case "endpoints-stale":
      return ["warning", `the source of endpoints can't be reached${because}`];
    case "endpoints-fresh":
      return ["info", "the source of endpoints can be reached again"];
    case "panic-changed":
      return event.panic
        ? ["error", "panic: too few endpoints are healthy, so health is ignored"]
        : ["info", "the panic is over"];
    case "connection-health": {
      const { address } = event.endpoint, { health, ejectedForMs } = event;
      const ejected = ejectedForMs === undefined ? "" : `, ejected for ${Math.round(ejectedForMs)} ms`;
      return [health === "failing" ? "warning" : "info", `${shownText(address)} is ${health}${ejected}${because}`];
    }
    case "ejection-unenforced":
      return ["warning", `${shownText(event.endpoint.address)} would be ejected (${event.rule}), but too many are`];
    case "connection-state": {
      const { endpoint: { address }, from, to } = event;
      const severity = to === "transient_failure" || because !== "" ? "warning" : "info";
      return [severity, `${shownText(address)}: ${from} → ${to}${because}`];
    }
  }
}
