// The port on which operators look at a proxy. Nothing of it is on the proxy's own ports.

import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { createChannelz } from "../../channelz.ts";
import { http1Server } from "../../node/http1.ts";
import { listen } from "../../node/listen.ts";
import type { ServerTlsSource } from "../../node/server-tls.ts";
import { telemetry } from "../../otel.ts";
import { isAllowed } from "../../observe/page/hosts.ts";
import type { RegistryEvent } from "../../registry/event.ts";
import type { Registry } from "../../registry/registry.ts";
import { observe } from "../../page.ts";
import { createHealth, type Proxy } from "../../server.ts";
import { createServerOver, type GrpcServer } from "../../server/grpc-server.ts";
import type { TransportObserver } from "../../transport/observer.ts";
import type { BalancedTransport } from "../../transport/transport.ts";
import { exposition, EXPOSITION_TYPE } from "./exposition.ts";
import { proxyMetrics } from "./proxy-metrics.ts";

/** What an admin port shows. */
export interface Administered {
  readonly proxy: Proxy;
  /** The transport of each service. */
  readonly services: ReadonlyMap<string, BalancedTransport>;
  readonly registry: Registry;
  /** The names by which its page may be reached, besides those of loopback. */
  readonly hosts: readonly string[];
}

/** Measures transports, and serves what is known of a proxy. */
export class Admin {
  readonly #telemetry = telemetry({ methodFilter: () => true, experimental: true });
  readonly #onEvents = new Set<(event: RegistryEvent) => void>();

  constructor() {
    // Metrics are recorded from the first time that it is read.
    void this.#telemetry.metricProducer;
  }

  /** For the transports that calls take. */
  get observer(): TransportObserver {
    return this.#telemetry.client;
  }

  /** Takes the registry's events. */
  readonly onEvent = (event: RegistryEvent): void => this.#onEvents.forEach((listener) => listener(event));

  /** The server, which listens nowhere yet, and what ends it. */
  server({ hosts, proxy, registry, services }: Administered): { readonly server: GrpcServer; close(): Promise<void> } {
    const transports = [...services.values()];
    const page = observe({ transports, servers: [proxy], registries: [registry], hosts });
    this.#onEvents.add(page.onEvent);
    const channelz = createChannelz({ transports, servers: [proxy] }), health = createHealth();
    const forget = [...services].map(([service, transport]) => {
      const look = () => {
        const ready = transport.snapshot().state === "ready";
        health.setStatus(service, ready ? "SERVING" : "NOT_SERVING");
      };
      look();
      return transport.subscribe(look);
    });
    const server = createServerOver<ServerTlsSource>({
      routes() {},
      connect: false,
      grpcWeb: false,
      health,
      channelz,
      reflection: true,
    }, {
      listen,
      scheduleFlush: undefined,
      scheduleStreamFlush: undefined,
      nextTurn: undefined,
      http1: (answer) =>
        http1Server(async (request, peer) => {
          if (request.method !== "GET") return await answer(request, peer);
          if (new URL(request.url).pathname === "/metrics") {
            return await this.#metrics(request, { proxy, hosts });
          }
          return pageAnswer(request, page.handler);
        }),
    });
    channelz.remove(server);
    return {
      server,
      async close() {
        for (const each of forget) each();
        page.close();
        server.closeAllConnections();
        await server.close();
      },
    };
  }

  async #metrics(
    { header, url }: UniversalServerRequest,
    { hosts, proxy }: Pick<Administered, "hosts" | "proxy">,
  ): Promise<UniversalServerResponse> {
    if (!isAllowed(new Request(url, { headers: header }), hosts)) return { status: 403 };
    const { resourceMetrics } = await this.#telemetry.metricProducer.collect();
    const ofTransports = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
    const text = exposition([...ofTransports, ...proxyMetrics(proxy.snapshot())]);
    return { status: 200, header: new Headers({ "content-type": EXPOSITION_TYPE }), body: once(text) };
  }
}

/** The page's answer to a request. */
function pageAnswer(
  { header, signal, url }: UniversalServerRequest,
  handler: (request: Request) => Response,
): UniversalServerResponse {
  const { body, headers, status } = handler(new Request(url, { headers: header, signal }));
  return { status, header: headers, ...body !== null && { body: chunksOf(body) } };
}

async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// deno-lint-ignore require-await
async function* once(text: string): AsyncGenerator<Uint8Array, void> {
  yield new TextEncoder().encode(text);
}
