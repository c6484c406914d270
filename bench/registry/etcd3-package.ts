import { Etcd3, type Lease } from "etcd3";
import type { Followed, RegistryContender } from "./contender.ts";

/** The `etcd3` package by itself, as its own documentation shows it: getAll, Watcher and Lease. It balances nothing. */
export function openEtcd3Package(url: string): RegistryContender {
  const client = new Etcd3({ hosts: [url] });
  const prefix = (service: string) => `/grpclb/${service}/`;
  const set = new Map<string, string>();
  const leases: Lease[] = [];
  return {
    async list(service) {
      const startMs = performance.now();
      const found = await client.getAll().prefix(prefix(service)).strings();
      for (const [key, value] of Object.entries(found)) set.set(key, value);
      return { tookMs: performance.now() - startMs, endpoints: set.size };
    },
    follow(service, address) {
      const opening = client.watch().prefix(prefix(service)).create();
      const done = opening.then((watcher) =>
        new Promise<Followed>((resolve, reject) => {
          watcher.on("put", (kv) => {
            const value = kv.value.toString();
            set.set(kv.key.toString(), value);
            if (value === address) resolve({ atMs: Date.now(), endpoints: set.size });
          });
          watcher.on("delete", (kv) => set.delete(kv.key.toString()));
          watcher.on("error", reject);
        })
      );
      return { open: opening.then(() => {}), done };
    },
    async register(count, ttlSeconds) {
      await Promise.all(Array.from({ length: count }, async (_, i) => {
        const lease = client.lease(ttlSeconds);
        leases.push(lease);
        const address = `127.0.0.1:${10_000 + i}`;
        await lease.put(prefix("registered") + address).value(address);
      }));
    },
    async close() {
      await Promise.all(leases.map((lease) => lease.revoke()));
      client.close();
    },
  };
}
