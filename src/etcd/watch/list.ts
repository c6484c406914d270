import type { Resolution } from "../../resolver/resolver.ts";
import type { EtcdClient } from "../client/client.ts";
import type { RequestDriver } from "../driver/driver.ts";
import type { Entries } from "./entries.ts";
import { keyRange } from "./position.ts";

/** Reads the keys of a prefix once, trying each etcd endpoint once. Rejects with the last EtcdError. */
export async function listService(
  client: EtcdClient<RequestDriver>,
  prefix: string,
  entries: Entries,
  signal: AbortSignal,
): Promise<Resolution> {
  const range = keyRange(prefix);
  const { kvs } = await client.anyEndpoint(signal, (context) => client.driver.range(range, context), { hold: true });
  entries.replace(kvs);
  return { endpoints: entries.endpoints };
}
