import type { EndpointRow, RegistrationRow, ServiceRow } from "../state.ts";
import { element, setAttribute, setText } from "./dom.ts";
import { seconds } from "./format.ts";

/** How something is: a colour and a shape, and a word that says the same. */
export interface Status {
  readonly kind: "good" | "warn" | "bad" | "off";
  readonly text: string;
}

/** An endpoint's status. */
export function endpointStatus(row: EndpointRow, nowMs: number): Status {
  switch (row.state) {
    case "transient_failure":
      return { kind: "bad", text: `failing, ${seconds(nowMs - row.sinceMs)}` };
    case "connecting":
      return { kind: "warn", text: "connecting" };
    case "ready":
      break;
    default:
      return { kind: "off", text: row.state };
  }
  if (row.ejectedForS !== null) return { kind: "bad", text: `ejected, ${row.ejectedForS} s` };
  if (row.health === "unknown") {
    return row.available ? { kind: "good", text: "not called yet" } : { kind: "warn", text: "health unknown" };
  }
  if (row.health !== "serving") return { kind: "bad", text: "held back" };
  if (row.restricted) return { kind: "warn", text: "on trial" };
  return row.available ? { kind: "good", text: "ready" } : { kind: "warn", text: "full" };
}

/** Why an endpoint is not as it should be. */
export function endpointReason({ state, health, lastError }: EndpointRow): string {
  if (health !== "serving" && health !== "unknown") return health;
  return state === "ready" ? "" : lastError ?? "";
}

/** How a service's source of endpoints is. */
export function sourceStatus({ stale, staleSinceMs, known, problem }: ServiceRow, nowMs: number): Status {
  if (problem !== null) return { kind: "bad", text: problem };
  if (stale !== null) {
    return { kind: "bad", text: `stale for ${seconds(nowMs - (staleSinceMs ?? nowMs))}: ${stale}` };
  }
  return known ? { kind: "good", text: "fresh" } : { kind: "off", text: "not resolved yet" };
}

/** A registration's status. */
export function registrationStatus({ state }: RegistrationRow): Status {
  const kind = ({ registered: "good", pending: "warn", closed: "off" } as const)[state] ?? "bad";
  return { kind, text: state };
}

/** What {@link showStatus} fills. */
export function statusNodes(): readonly Node[] {
  return [element("span", { class: "dot", "aria-hidden": "true" }), element("span")];
}

/** Shows a status in a cell that holds {@link statusNodes}. */
export function showStatus(cell: Element, { kind, text }: Status): void {
  setAttribute(cell.firstElementChild!, "class", `dot ${kind}`);
  setText(cell.lastElementChild!, text);
}

/** For sorting: what needs attention first. */
export function severity({ kind }: Status): number {
  return { bad: 0, warn: 1, off: 2, good: 3 }[kind];
}
