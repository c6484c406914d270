import { type Endpoint, endpointIdentity } from "../endpoint.ts";
import { asError } from "../error-text.ts";
import type { EtcdClient } from "../etcd/client/client.ts";
import type { KeyValue, LeaseTimeToLive } from "../etcd/driver/driver.ts";
import { keyText, valueText } from "../etcd/watch/entries.ts";
import { keyRange } from "../etcd/watch/position.ts";
import type { Layout } from "../registry/layout/layout.ts";
import { atMost } from "./concurrently.ts";

/** A service's entry in etcd. */
export interface ServiceEntry {
  readonly key: string;
  /** What it says. Undefined: it can't be read. */
  readonly endpoint: Endpoint | undefined;
  /** Why it can't be read. */
  readonly problem: Error | undefined;
  /** The lease that its key is attached to; 0 if there is none, so that it never expires. */
  readonly lease: bigint;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
}

/** An entry that can be read. */
export type UsedEntry = ServiceEntry & { readonly endpoint: Endpoint };

/** How many leases are asked for at a time. */
const LEASES_AT_A_TIME = 16;

/** Reads the entries of a service once, in the order of their keys. @throws EtcdError, or the signal's reason. */
export async function readServiceEntries(
  client: EtcdClient,
  layout: Layout,
  service: string,
  signal: AbortSignal,
): Promise<readonly ServiceEntry[]> {
  const range = keyRange(layout.prefix(service));
  const { kvs } = await client.anyEndpoint(signal, (context) => client.driver.range(range, context), { hold: true });
  return kvs.flatMap((kv) => readEntry(layout, service, kv) ?? []);
}

function readEntry(layout: Layout, service: string, kv: KeyValue): ServiceEntry | undefined {
  const { lease, createRevision, modRevision } = kv;
  const key = keyText(kv.key), entry = { key, lease, createRevision, modRevision };
  let text = "", problem: Error | undefined;
  try {
    text = valueText(kv.value);
  } catch (error) {
    problem = asError(error);
  }
  if (layout.owns?.(service, key, text) === false) return undefined;
  if (problem !== undefined) return { ...entry, endpoint: undefined, problem };
  try {
    return { ...entry, endpoint: layout.read(key, text), problem: undefined };
  } catch (error) {
    return { ...entry, endpoint: undefined, problem: asError(error) };
  }
}

/** The entries that clients use: of several that name the same endpoint, the newest. */
export function usedEntries(entries: readonly ServiceEntry[]): readonly UsedEntry[] {
  const used = new Map<string, UsedEntry>();
  for (const entry of entries.toSorted((a, b) => Number(a.modRevision - b.modRevision))) {
    const { endpoint } = entry;
    if (endpoint !== undefined) used.set(endpointIdentity(endpoint), { ...entry, endpoint });
  }
  return [...used.values()].toSorted((a, b) => a.key < b.key ? -1 : 1);
}

/**
 * The remaining time of leases, by their ids. A lease that etcd doesn't know, or doesn't let this user look at, is left
 * out. @throws EtcdError if etcd can't be reached, or the signal's reason.
 */
export async function readLeases(
  client: EtcdClient,
  ids: Iterable<bigint>,
  signal: AbortSignal,
): Promise<ReadonlyMap<bigint, LeaseTimeToLive>> {
  const leases = new Map<bigint, LeaseTimeToLive>();
  const known = [...new Set(ids)].filter((id) => id !== 0n);
  await atMost(LEASES_AT_A_TIME, known, async (id) => {
    const lease = await client.anyEndpoint(signal, (context) => client.driver.leaseTimeToLive({ id }, context), {
      hold: true,
    }).catch((error: unknown) => {
      if ((error as { kind?: unknown }).kind === "refused") return undefined;
      throw error;
    });
    if (lease !== undefined) leases.set(id, lease);
  });
  return leases;
}
