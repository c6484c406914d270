import { endpointIdentity } from "../endpoint.ts";
import type { Layout } from "../registry/layout/layout.ts";
import { checkServiceName } from "../registry/options.ts";
import type { ListedService } from "../registry/registry.ts";
import type { EtcdClient } from "./client/client.ts";
import type { KeyValue, RequestDriver } from "./driver/driver.ts";
import { keyText, valueText } from "./watch/entries.ts";
import { keyRange } from "./watch/position.ts";

/** How many keys are read at a time, so that neither etcd nor this program needs memory for all of them at once. */
const PAGE = 1_000n;

/** All keys, as etcd encodes that range: from the smallest key on. */
const ALL = { key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0) } as const;

/** What has been found of a service so far. */
interface Found {
  readonly identities: Set<string>;
  entries: number;
}

/**
 * Reads the keys below a layout's root once and counts them by service. Keys that belong to no service are skipped. If
 * the layout has no root of its own, so is every entry that can't be parsed as an endpoint: it belongs to other
 * programs.
 *
 * @throws TypeError if the layout can't list services; EtcdError, or the signal's reason.
 */
export async function listServices(
  client: EtcdClient<RequestDriver>,
  layout: Layout,
  signal: AbortSignal,
): Promise<readonly ListedService[]> {
  const { root } = layout;
  if (root === undefined || layout.serviceOf === undefined) {
    throw new TypeError("the layout can't list services: it needs root and serviceOf");
  }
  const found = new Map<string, Found>();
  const { key: first, rangeEnd } = root === "" ? ALL : keyRange(root);
  for (let key = first;;) {
    const request = { key, rangeEnd, limit: PAGE };
    const { kvs, more } = await client.anyEndpoint(signal, (context) => client.driver.range(request, context), {
      hold: true,
    });
    for (const kv of kvs) count(kv, layout, found);
    const last = kvs.at(-1);
    if (!more || last === undefined) break;
    // The smallest possible key after the last one.
    key = new Uint8Array([...last.key, 0]);
  }
  return [...found.keys()].sort().map((service) => {
    const { identities, entries } = found.get(service) as Found;
    return { service, endpoints: identities.size, entries };
  }).filter(({ endpoints }) => root !== "" || endpoints > 0);
}

function count({ key, value }: KeyValue, layout: Layout, found: Map<string, Found>): void {
  const name = keyText(key);
  let text = "", readable = true;
  try {
    text = valueText(value);
  } catch {
    readable = false;
  }
  const service = layout.serviceOf?.(name, text);
  try {
    checkServiceName(service, layout);
  } catch {
    // The key belongs to no service, or no service can have this name.
    return;
  }
  if (!name.startsWith(layout.prefix(service))) return;
  let of = found.get(service);
  if (of === undefined) found.set(service, of = { identities: new Set(), entries: 0 });
  of.entries++;
  if (!readable) return;
  try {
    of.identities.add(endpointIdentity(layout.read(name, text)));
  } catch {
    // Counted as an entry only.
  }
}
