// What the page shows in a browser: services with real servers, which are killed and come back, and a client that calls.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import { createEtcdRegistry, kratos, type Registry } from "../../../src/etcd.ts";
import {
  type BalancedTransport,
  type BalancedTransportOptions,
  createBalancedTransport,
  flightRecorder,
} from "../../../src/index.ts";
import { grpcConnector, requestListener, transportConnector } from "../../../src/node.ts";
import { type Observation, observe } from "../../../src/page.ts";
import { createGrpcServer, type GrpcServer } from "../../../src/server.ts";
import { createMemoryEtcd } from "../../../src/testing.ts";

/** What a server does with a call: it resolves to the answer, or rejects. */
export type Answer = () => Promise<string> | string;

/** A server that registers itself, and can be killed. */
export interface Member {
  readonly address: string;
  /** Ends it with all its connections; its entry stays. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  revive(): Promise<void>;
}

/** The page and what it shows. */
export interface Site {
  readonly url: string;
  readonly page: Observation;
  readonly registry: Registry;
  readonly servers: Set<GrpcServer>;
  /** Starts a server of a service. */
  member(service: string, answer?: Answer, attributes?: { zone?: string; weight?: number }): Promise<Member>;
  /** Makes a transport to a service, and calls it every so often until the site is stopped. */
  calls(service: string, everyMs: number, options?: Partial<BalancedTransportOptions>): BalancedTransport;
  stop(): Promise<void>;
}

/** Starts the page on a free port of 127.0.0.1. */
export async function startSite(): Promise<Site> {
  const etcd = createMemoryEtcd();
  const transports = new Set<BalancedTransport>(), servers = new Set<GrpcServer>();
  const timers: ReturnType<typeof setInterval>[] = [];
  const registries: Registry[] = [];
  const page = observe({ transports, servers, registries, intervalMs: 250 });
  const registry = createEtcdRegistry({
    endpoints: ["memory:1"],
    layout: kratos(),
    connector: transportConnector(() => etcd.transport()),
    onEvent: page.onEvent,
  });
  registries.push(registry);
  const http: Server = createServer(requestListener(page.handler));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/`,
    page,
    registry,
    servers,
    async member(service, answer = () => "hello", attributes = {}) {
      let server: GrpcServer | undefined, port = 0;
      const member = {
        address: "",
        async kill() {
          const closed = server?.close();
          server?.closeAllConnections();
          if (server !== undefined) servers.delete(server);
          server = undefined;
          await closed;
        },
        async revive() {
          if (server !== undefined) return;
          server = createGrpcServer({
            routes: (router) => router.service(Simple, { route: async () => ({ value: await answer() }) }),
          });
          servers.add(server);
          ({ port, address: member.address } = await server.listen({ host: "127.0.0.1", port }));
        },
      };
      await member.revive();
      await registry.register({ service, address: member.address, ttlSeconds: 10, ...attributes }).ready;
      return member;
    },
    calls(service, everyMs, options = {}) {
      const transport = createBalancedTransport({
        resolver: registry.resolver(service),
        connector: grpcConnector(),
        recorder: flightRecorder(),
        ...options,
      });
      transports.add(transport);
      const client = createClient(Simple, transport);
      timers.push(setInterval(() => void client.route({ data: "x" }, { timeoutMs: 2_000 }).catch(() => {}), everyMs));
      return transport;
    },
    async stop() {
      for (const timer of timers) clearInterval(timer);
      page.close();
      http.close();
      http.closeAllConnections();
      await Promise.all([...transports].map((transport) => transport.close()));
      await registry.close();
      for (const server of servers) {
        void server.close();
        server.closeAllConnections();
      }
    },
  };
}
