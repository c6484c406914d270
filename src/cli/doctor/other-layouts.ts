import type { KeyValue } from "../../etcd/driver/driver.ts";
import { keyText, valueText } from "../../etcd/watch/entries.ts";
import { nearest } from "../../option.ts";
import type { Layout } from "../../registry/layout/layout.ts";
import { shownText } from "../../shown-text.ts";
import { type RecognisedEntry, recogniseEntry } from "../recognised-layout.ts";
import type { Finding, Severity } from "./finding.ts";

/** What was looked for, and what there is. */
export interface KeysElsewhere {
  /** All keys of etcd; undefined: they may not be read. */
  readonly all: readonly KeyValue[] | undefined;
  readonly layout: Layout;
  readonly layoutName: string;
  /** Undefined: all services. */
  readonly service: string | undefined;
  /** The services that the layout finds. */
  readonly found: readonly string[];
}

/** How many services a finding names. */
const MOST_NAMED = 5;

/** Registrations that this layout, with this prefix, doesn't see. */
export function otherLayouts(keys: KeysElsewhere): readonly Finding[] {
  const { all, service, found } = keys;
  const nothing = service === undefined ? found.length === 0 : !found.includes(service);
  const groups = [...grouped(keys).values()];
  const missing = nothing ? [nothingFound(keys, groups.length > 0)] : [];
  if (all === undefined) return missing;
  // What else is in etcd matters if what was looked for is not there, or is there as well.
  const relevant = groups.filter(({ services }) => service === undefined || nothing || services.has(service));
  const severity = nothing ? "error" : service === undefined ? "note" : "warning";
  return [...missing, ...relevant.map((group) => elsewhere(group, severity))];
}

/** Entries that one layout with one prefix reads. */
interface Group {
  readonly entry: RecognisedEntry;
  readonly services: Set<string>;
  keys: number;
}

function grouped({ all = [], layout, service }: KeysElsewhere): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const kv of all) {
    const key = keyText(kv.key);
    let value: string;
    try {
      value = valueText(kv.value);
    } catch {
      continue;
    }
    if (isSeen(layout, key, value, service)) continue;
    const entry = recogniseEntry(key, value, service);
    if (entry === undefined) continue;
    const name = `${entry.layout} ${entry.prefix ?? ""}`;
    const group = groups.get(name) ?? { entry, services: new Set(), keys: 0 };
    groups.set(name, group);
    group.services.add(entry.service);
    group.keys++;
  }
  return groups;
}

function isSeen(layout: Layout, key: string, value: string, service: string | undefined): boolean {
  if (service !== undefined && key.startsWith(layout.prefix(service))) return true;
  const name = layout.serviceOf?.(key, value);
  if (name === undefined || !key.startsWith(layout.prefix(name))) return false;
  try {
    layout.read(key, value);
    return true;
  } catch {
    return layout.root !== "";
  }
}

function elsewhere({ entry, services, keys }: Group, severity: Severity): Finding {
  const { layout, writer } = entry,
    prefix = layout === "grpclb" && entry.prefix === "/grpclb" ? undefined : entry.prefix;
  const flags = `--layout ${layout}${prefix === undefined ? "" : ` --prefix ${shownText(prefix)}`}`;
  const option = prefix === undefined ? "" : `{ prefix: ${JSON.stringify(shownText(prefix))} }`;
  const names = [...services].slice(0, MOST_NAMED).map((name) => shownText(name)).join(", ");
  const more = services.size > MOST_NAMED ? ` and ${services.size - MOST_NAMED} more` : "";
  const below = prefix === undefined ? "" : ` below ${shownText(prefix)}`;
  return {
    severity,
    what: severity !== "warning"
      ? `there are keys of the layout ${layout}${below}, as ${writer} writes them`
      : `the service is also registered in the layout ${layout}${below}: this layout's clients don't see those servers`,
    where: `${keys} ${keys === 1 ? "key" : "keys"} of ${names}${more}`,
    next: `pass ${flags}; in programs createEtcdRegistry({ layout: ${layout}(${option}) }). Servers and clients must ` +
      "use the same layout and prefix",
  };
}

function nothingFound({ layout, layoutName, service, found, all }: KeysElsewhere, elsewhere: boolean): Finding {
  const root = service === undefined ? layout.root ?? "" : layout.prefix(service);
  const where = root === "" ? `layout ${layoutName}` : `${shownText(root)} (layout ${layoutName})`;
  const what = service === undefined
    ? "no server is registered where this layout looks"
    : "no server of the service is registered where this layout looks";
  return { severity: "error", what, where, next: advice() };

  function advice(): string {
    const near = service === undefined ? undefined : nearest(service, found);
    if (near !== undefined) return `did you mean ${shownText(near)}? The name must be the same at servers and clients`;
    if (elsewhere) return "see below: servers are registered elsewhere";
    if (found.length > 0) {
      const names = found.slice(0, MOST_NAMED).map((name) => shownText(name)).join(", ");
      return `check the service's name, and that its servers run; registered are ${names}` +
        (found.length > MOST_NAMED ? ` and ${found.length - MOST_NAMED} more` : "");
    }
    if (all === undefined) return "check --layout, --prefix and the service's name: this user may not look elsewhere";
    return "start the servers, and check that they register in this etcd: registry.register(…) in programs, or " +
      "connect-lb register SERVICE ADDR -- cmd";
  }
}
