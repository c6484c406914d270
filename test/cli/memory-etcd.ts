// An etcd in memory on a port, and what tests put into it.
import { createConnectDriver } from "../../src/etcd/driver/connect/connect-driver.ts";
import { grpcConnector } from "../../src/node.ts";
import { createEtcdRegistry, type Layout, type RegisterOptions, type Registration } from "../../src/etcd.ts";
import { createGrpcServer } from "../../src/server.ts";
import { createMemoryEtcd } from "../../src/testing.ts";

/** One that serves. */
export interface ServedEtcd {
  readonly url: string;
  /** Registers a server, and waits until its key is there. */
  register(options: RegisterOptions, layout?: Layout): Promise<Registration>;
  /** Writes a key without a lease, whatever it holds. */
  put(key: string, value: string): Promise<void>;
  close(): Promise<void>;
}

export async function serveMemoryEtcd(port = 0): Promise<ServedEtcd> {
  const etcd = createMemoryEtcd();
  const server = createGrpcServer({ routes: etcd.routes });
  const { address } = await server.listen({ host: "127.0.0.1", port });
  const url = `http://${address}`;
  const registries: ReturnType<typeof createEtcdRegistry>[] = [];
  return {
    url,
    async register(options, layout) {
      const registry = createEtcdRegistry({ endpoints: [url], ...(layout === undefined ? {} : { layout }) });
      registries.push(registry);
      const registration = registry.register(options);
      await registration.ready;
      return registration;
    },
    async put(key, value) {
      await putKey(url, key, value);
    },
    async close() {
      await Promise.all(registries.map((registry) => registry.close()));
      await etcd.close();
      server.closeAllConnections();
      await server.close();
    },
  };
}

async function putKey(url: string, key: string, value: string): Promise<void> {
  const driver = createConnectDriver(grpcConnector());
  const encoder = new TextEncoder();
  try {
    await driver.txn({
      compare: [],
      success: [{ put: { key: encoder.encode(key), value: encoder.encode(value), lease: 0n } }],
      failure: [],
    }, { endpoint: { address: new URL(url).host }, signal: AbortSignal.timeout(30_000) });
  } finally {
    await driver.close();
  }
}
