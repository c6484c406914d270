import { endpointIdentity } from "../endpoint.ts";
import type { EtcdClient } from "../etcd/client/client.ts";
import type { KeyValue } from "../etcd/driver/driver.ts";
import { keyText, valueText } from "../etcd/watch/entries.ts";
import { grpclb } from "../registry/layout/grpclb.ts";
import type { Layout } from "../registry/layout/layout.ts";
import type { ListedService } from "../registry/registry.ts";
import { shownText } from "../shown-text.ts";
import { type RegisteredKey, registeredKeys } from "./doctor/registered-keys.ts";
import { layoutNamed } from "./layouts.ts";
import { type RecognisedEntry, recogniseEntry } from "./recognised-layout.ts";

/** A layout that is in use, with what is registered in it. */
export interface FoundLayout {
  readonly name: string;
  readonly layout: Layout;
  /** The options that choose it: `--layout etcdNaming --prefix foo`. */
  readonly flags: string;
  /** What chooses it in programs: `etcdNaming({ prefix: "foo" })`. */
  readonly code: string;
  /** Who writes such entries. */
  readonly writer: string;
  /** Whether it is the one that is used without any option. */
  readonly usual: boolean;
  readonly keys: readonly RegisteredKey[];
}

const USUAL = grpclb(), USUAL_NAME = "grpclb";

/**
 * The layouts in which servers are registered, recognised from keys and values; the usual one first. A key belongs to one
 * of them. With a service, only those that have entries of it.
 */
export function foundLayouts(kvs: readonly KeyValue[], service?: string): readonly FoundLayout[] {
  const groups = new Map<string, { readonly entry: RecognisedEntry; readonly kvs: KeyValue[] }>();
  const owners = new Map<KeyValue, string>();
  for (const kv of kvs) {
    const entry = recognised(kv, service);
    if (entry === undefined) continue;
    const name = `${entry.layout} ${entry.prefix ?? ""}`;
    const group = groups.get(name) ?? { entry, kvs: [] };
    groups.set(name, group);
    group.kvs.push(kv);
    owners.set(kv, name);
  }
  return [...groups].map(([name, { entry, kvs: own }]) => {
    const usual = entry.writer === USUAL_NAME;
    const layout = usual ? USUAL : layoutNamed(entry.layout, entry.prefix);
    // Below a root of its own, what can't be recognised is an entry that can't be read.
    const theirs = layout.root === "" ? own : kvs.filter((kv) => (owners.get(kv) ?? name) === name);
    return { ...namesOf(entry, usual), layout, usual, keys: registeredKeys(theirs, layout, service) };
  }).filter(({ keys }) => keys.length > 0).sort((a, b) => Number(b.usual) - Number(a.usual));
}

function recognised(kv: KeyValue, service: string | undefined): RecognisedEntry | undefined {
  const key = keyText(kv.key);
  let value = "";
  try {
    value = valueText(kv.value);
  } catch {
    // It can't be read, but its key may tell.
  }
  // Whatever the value's spelling, the usual layout's clients read it.
  const usual = USUAL.serviceOf!(key, value);
  if (usual !== undefined) return { layout: USUAL_NAME, service: usual, writer: USUAL_NAME };
  return recogniseEntry(key, value, service);
}

function namesOf({ layout, prefix, writer }: RecognisedEntry, usual: boolean) {
  const shown = prefix === undefined || usual ? undefined : shownText(prefix);
  return {
    name: shown === undefined ? layout : `${layout} ${shown}`,
    flags: `--layout ${layout}${shown === undefined ? "" : ` --prefix ${shown}`}`,
    code: `${layout}(${shown === undefined ? "" : `{ prefix: ${JSON.stringify(shown)} }`})`,
    writer,
  };
}

/** The services that are registered in a layout, sorted by name. */
export function servicesIn({ layout, keys }: Pick<FoundLayout, "layout" | "keys">): readonly ListedService[] {
  const services = new Map<string, { readonly identities: Set<string>; entries: number }>();
  for (const { service, endpoint } of keys) {
    const found = services.get(service) ?? { identities: new Set(), entries: 0 };
    services.set(service, found);
    found.entries++;
    if (endpoint !== undefined) found.identities.add(endpointIdentity(endpoint));
  }
  return [...services].map(([service, { identities, entries }]) => ({ service, endpoints: identities.size, entries }))
    .filter(({ endpoints }) => layout.root !== "" || endpoints > 0)
    .sort((a, b) => a.service < b.service ? -1 : 1);
}

/** How many keys are read at a time, and in all. */
const PAGE = 1_000n, MOST = 50_000;

/** All keys of etcd. Undefined: this user may not read them. @throws EtcdError, or the signal's reason. */
export async function allKeys(client: EtcdClient, signal: AbortSignal): Promise<readonly KeyValue[] | undefined> {
  const kvs: KeyValue[] = [], rangeEnd = Uint8Array.of(0);
  try {
    for (let key = Uint8Array.of(0); kvs.length < MOST;) {
      const request = { key, rangeEnd, limit: PAGE };
      const page = await client.anyEndpoint(signal, (context) => client.driver.range(request, context), { hold: true });
      kvs.push(...page.kvs);
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) break;
      key = new Uint8Array([...last.key, 0]);
    }
    return kvs;
  } catch (error) {
    if ((error as { kind?: unknown }).kind === "refused") return undefined;
    throw error;
  }
}
