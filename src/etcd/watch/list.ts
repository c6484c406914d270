import type { ServiceConfigText } from "../../resolver/config-source.ts";
import type { Resolution } from "../../resolver/resolver.ts";
import type { EtcdClient } from "../client/client.ts";
import type { RequestDriver } from "../driver/driver.ts";
import { type Entries, valueOf } from "./entries.ts";
import { keyRange, onlyKey } from "./position.ts";

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

/** Reads the value of a key once, in the same way. */
export async function readKey(
  client: EtcdClient<RequestDriver>,
  key: string,
  signal: AbortSignal,
): Promise<ServiceConfigText> {
  const range = onlyKey(key);
  const { kvs: [kv] } = await client.anyEndpoint(signal, (context) => client.driver.range(range, context), {
    hold: true,
  });
  return kv && valueOf(kv);
}
