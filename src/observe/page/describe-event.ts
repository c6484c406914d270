import type { BalancerEvent } from "../../balancer/event.ts";
import type { Endpoint } from "../../endpoint.ts";
import { textOf } from "../../error-text.ts";
import type { RegistryEvent } from "../../registry/event.ts";
import type { EventRow } from "./state.ts";

/** Something that happened, in words. */
export interface Happening extends Pick<EventRow, "service" | "subject" | "text" | "level"> {
  /** What it is about. */
  readonly of: "transport" | "registry";
}

/** An event in words; undefined for one that is of no interest later, such as the start of a connection attempt. */
export function describeEvent(event: BalancerEvent | RegistryEvent): Happening | undefined {
  return "target" in event ? ofTransport(event) : ofRegistry(event);
}

function ofTransport(event: BalancerEvent): Happening | undefined {
  const service = event.target;
  const on = (subject: string, text: string, level: Happening["level"]): Happening => {
    return { of: "transport", service, subject, text, level };
  };
  switch (event.type) {
    case "endpoints-changed": {
      const { added, removed, total } = event;
      const parts = [...counted("joined", added), ...counted("left", removed), `${total} now`];
      return on("", parts.join(", "), removed.length > added.length ? "bad" : "note");
    }
    case "endpoint-skipped":
      return on("", `an invalid endpoint is skipped: ${textOf(event.cause)}`, "bad");
    case "config-skipped":
      return on("", `an invalid service config is skipped: ${textOf(event.cause)}`, "bad");
    case "policy-failed":
      return on("", `the policy failed: ${textOf(event.cause)}`, "bad");
    case "endpoints-stale":
      return on("", `the source of endpoints can't be reached: ${textOf(event.cause)}`, "bad");
    case "endpoints-fresh":
      return on("", "the source of endpoints can be reached again", "good");
    case "panic-changed":
      return event.panic
        ? on("", "panic: health is ignored, too few endpoints are left", "bad")
        : on("", "the panic is over", "good");
    case "ejection-unenforced":
      return on(event.endpoint.address, "its calls fail, but too many endpoints are ejected already", "bad");
    case "connection-state":
      if (event.to === "ready") return on(event.endpoint.address, "connected", "good");
      if (event.to !== "transient_failure") return undefined;
      return on(event.endpoint.address, `failing${because(event.cause)}`, "bad");
    case "connection-health": {
      const { health, ejectedForMs, endpoint: { address }, cause } = event;
      if (health === "serving") return on(address, "healthy", "good");
      if (health === "unknown") return on(address, "health is not known yet", "note");
      if (ejectedForMs === undefined) return on(address, `held back${because(cause)}`, "bad");
      return on(
        address,
        cause === undefined ? `ejected for ${Math.round(ejectedForMs / 1_000)} s` : textOf(cause),
        "bad",
      );
    }
  }
}

function ofRegistry(event: RegistryEvent): Happening | undefined {
  const service = "service" in event ? event.service ?? "" : "";
  const on = (subject: string, text: string, level: Happening["level"]): Happening => {
    return { of: "registry", service, subject, text, level };
  };
  switch (event.type) {
    case "registered":
      return on(event.address, event.again ? "registered again" : "registered", "good");
    case "registration-suspect":
      return on(event.address, `the registration may be gone${because(event.cause)}`, "bad");
    case "lease-lost":
      return on(event.address, `the lease is lost${because(event.cause)}`, "bad");
    case "key-missing":
      return on(event.address, `the key was gone, and is put again${because(event.cause)}`, "bad");
    case "key-taken":
      return on(event.address, `another program took the key${because(event.cause)}`, "bad");
    case "registration-failed":
      return on(event.address, `can't be registered${because(event.cause)}`, "bad");
    case "watch-restarted":
      return on("", `the watch is restarted${because(event.cause)}`, "note");
    case "set-stale":
      return on("", `the registry can't be reached${because(event.cause)}`, "bad");
    case "set-fresh":
      return on("", "the registry can be reached again", "good");
    case "value-skipped":
      return on(event.key, `the entry can't be read${because(event.cause)}`, "bad");
    case "config-stale":
      return on(event.key, `the service config can't be watched${because(event.cause)}`, "bad");
    case "config-fresh":
      return on(event.key, "the service config can be watched again", "good");
    case "config-watch-restarted":
      return on(event.key, `the watch of the service config is restarted${because(event.cause)}`, "note");
    case "auth-refused":
      return on(event.key ?? "", `the registry refused access${because(event.cause)}`, "bad");
  }
}

function because(cause: unknown): string {
  return cause === undefined ? "" : `: ${textOf(cause)}`;
}

/** The endpoints by name if they are few. */
function counted(what: string, endpoints: readonly Endpoint[]): string[] {
  if (endpoints.length === 0) return [];
  if (endpoints.length > 3) return [`${endpoints.length} endpoints ${what}`];
  return [`${endpoints.map(({ address }) => address).join(", ")} ${what}`];
}
