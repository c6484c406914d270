import { createClient, createRouterTransport } from "@connectrpc/connect";
import { Etcd3 } from "etcd3";
import { Simple } from "../../gen/simple_pb.ts";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { createEtcd3Registry } from "../../src/etcd3.ts";
import { type BalancedTransport, createBalancedTransport, type Policy, roundRobin } from "../../src/index.ts";
import type { Registration } from "../../src/registry/registry.ts";
import type { Followed, Following, RegistryContender } from "./contender.ts";

/** Links without sockets: what is measured is the registry and the balancer, not the kernel. */
const transport = createRouterTransport(({ service }) => {
  service(Simple, { route: () => ({ code: 200, value: "" }) });
});

/** This library: a registry and, on it, a balanced transport. */
export function openConnectLb(driver: "connect" | "etcd3", url: string): RegistryContender {
  const registry = driver === "connect"
    ? createEtcdRegistry({ endpoints: [url] })
    : createEtcd3Registry({ Etcd3, endpoints: [url] });
  const rebuildsMs: number[] = [];
  let onBuilt = (_addresses: () => Set<string>) => {};
  const choose = roundRobin();
  const counted: Policy = (connections, previous, env) => {
    rebuildsMs.push(performance.now());
    onBuilt(() => new Set(connections.map((connection) => connection.endpoint.address)));
    return choose(connections, previous, env);
  };
  const transports: BalancedTransport[] = [];
  const registrations: Registration[] = [];
  return {
    async list(service) {
      const startMs = performance.now();
      const balanced = createBalancedTransport({
        resolver: registry.resolver(service),
        connector: () => ({ transport, close: () => Promise.resolve() }),
        policy: counted,
      });
      transports.push(balanced);
      await createClient(Simple, balanced).route({ data: "" });
      const tookMs = performance.now() - startMs;
      return { tookMs, endpoints: balanced.snapshot().endpoints?.length ?? 0 };
    },
    follow(_service, address): Following {
      rebuildsMs.length = 0;
      const done = new Promise<Followed>((resolve) => {
        onBuilt = (addresses) => {
          const set = addresses();
          if (set.has(address)) resolve({ atMs: Date.now(), endpoints: set.size, rebuildsMs });
        };
      });
      return { open: Promise.resolve(), done };
    },
    async register(count, ttlSeconds) {
      for (let i = 0; i < count; i++) {
        const address = `127.0.0.1:${10_000 + i}`;
        registrations.push(registry.register({ service: "registered", address, ttlSeconds }));
      }
      await Promise.all(registrations.map(({ ready }) => ready));
    },
    async close() {
      await Promise.all(transports.map((balanced) => balanced.close()));
      await registry.close();
    },
  };
}
