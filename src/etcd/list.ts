import { emit, type RegistryEvent } from "../event.ts";
import type { Layout } from "../registry/layout/layout.ts";
import type { Resolution } from "../resolver/resolver.ts";
import type { EtcdClient } from "./client.ts";
import { Entries } from "./entries.ts";
import { keyRange } from "./position.ts";

/** Reads a service's set once: one try on each etcd endpoint. Rejects with the last one's EtcdError. */
export async function listService(
  client: EtcdClient,
  service: string,
  layout: Layout,
  onEvent: ((event: RegistryEvent) => void) | undefined,
  signal: AbortSignal,
): Promise<Resolution> {
  const range = keyRange(layout.prefix(service));
  const entries = new Entries(layout, (key, cause) => emit(onEvent, { type: "value-skipped", service, key, cause }));
  const cursor = client.cursor();
  for (let tries = 1;; tries++) {
    try {
      const { kvs } = await client.unary(cursor, signal, (call) => client.driver.range(range, call));
      entries.replace(kvs);
      return { endpoints: entries.endpoints };
    } catch (error) {
      if (signal.aborted || tries >= client.endpoints.length) throw error;
      cursor.next();
    }
  }
}
