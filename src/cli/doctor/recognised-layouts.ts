import { shownText } from "../../shown-text.ts";
import type { FoundLayout } from "../found-layouts.ts";
import type { Finding } from "./finding.ts";

/** How many services a finding names. */
const MOST_NAMED = 5;

/**
 * In which layouts servers are registered, where none was asked for: a service in several of them is a fault, as clients
 * see the servers of one; another one than the default is good to know.
 */
export function recognisedLayouts(found: readonly FoundLayout[], service: string | undefined): readonly Finding[] {
  if (found.length > 1 && service !== undefined) {
    return found.map((layout) => ({
      severity: "warning",
      what: "the service is registered in several layouts: clients of one don't see the servers of the others",
      where: whereOf(layout),
      next: "let all its servers register in one layout, with the same prefix; --layout looks at one alone",
    }));
  }
  return found.filter(({ usual }) => !usual).map((layout) => ({
    severity: "note",
    what: `servers are registered in the layout ${layout.name}, as ${layout.writer} writes it`,
    where: whereOf(layout),
    next: `clients find them with createEtcdRegistry({ layout: ${layout.code} }), and connect-lb call, watch and top ` +
      `with ${layout.flags}`,
  }));
}

function whereOf({ name, keys }: FoundLayout): string {
  const services = [...new Set(keys.map(({ service }) => shownText(service)))];
  const more = services.length > MOST_NAMED ? ` and ${services.length - MOST_NAMED} more` : "";
  const count = `${keys.length} ${keys.length === 1 ? "key" : "keys"}`;
  return `${name}: ${count} of ${services.slice(0, MOST_NAMED).join(", ")}${more}`;
}
