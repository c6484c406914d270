import type { Peer } from "../http2/server/peer.ts";
import type { RefusedCounts } from "../http2/server/refused.ts";
import { checkOptions } from "../option.ts";
import { byteStreamOf, type GrpcServer, LISTEN } from "../server/grpc-server.ts";
import { hostOf } from "../server/host-of.ts";
import type { ServerRuntime } from "../server/runtime.ts";
import type { ServerSnapshot } from "../server/snapshot.ts";
import { newCounter } from "../snapshot.ts";
import type { ListenAddress, ListenOptions } from "../socket/listener.ts";
import { deadlinesOf } from "../time/deadline.ts";
import type { TransportSnapshot } from "../transport/snapshot.ts";
import { acceptWeb, proxyAnswer } from "./accept-web.ts";
import type { RelayHost } from "./client-stream.ts";
import { ProxyDispatcher, sectionReader } from "./dispatcher.ts";
import { HeldBytes } from "./held-request.ts";
import { RelayedMethods } from "./methods.ts";
import type { ProxyOptions } from "./options.ts";
import { ResetAlarm } from "./reset-alarm.ts";
import { Routes } from "./routes.ts";

/** Where a proxy listens, and with which certificate. */
export interface ProxyListenOptions<Tls> extends ListenOptions {
  /** The certificate and key of this listening socket, in place of the proxy's option `tls`. */
  tls?: Tls | undefined;
}

/** The state of a proxy at one moment: that of a server, and where its calls go. */
export interface ProxySnapshot extends ServerSnapshot {
  /** What it refused. */
  readonly refused: ProxyRefusedCounts;
  readonly routes: readonly RouteSnapshot[];
}

/** What a proxy refused, besides what a server's limits turn away. */
export interface ProxyRefusedCounts extends RefusedCounts {
  /** Calls that fit no route. */
  readonly noRoute: number;
  /** Requests in a protocol, a format or with a method of HTTP that the proxy, or the call's route, doesn't take. */
  readonly unsupported: number;
}

/** One route of a proxy, the most specific first. */
export interface RouteSnapshot {
  /** Undefined: any. */
  readonly authority: string | undefined;
  readonly path: string;
  /** Undefined: any. */
  readonly port: number | undefined;
  /** Its transport. */
  readonly transport: TransportSnapshot;
}

/** A proxy for gRPC. */
export interface Proxy<Tls> extends Omit<GrpcServer, "listen" | "handler" | "snapshot"> {
  /** As `GrpcServer.listen`; may be called more than once, such as for routes by port. */
  listen(options?: ProxyListenOptions<Tls>): Promise<ListenAddress>;
  /** The current state: where it listens, its connections and calls, and the transports of its routes. */
  snapshot(): ProxySnapshot;
  /**
   * Stops listening, asks clients to send their calls elsewhere (GOAWAY), and lets calls in flight finish. Then closes the
   * transports that it made, and resolves, and calls `done`.
   */
  close(done?: () => void): Promise<void>;
}

/**
 * A client loses its connection sooner than at a server, because its resets reach servers that may be strict: envoy's
 * default.
 */
const MOST_RESETS = 500;

/** Makes a proxy of valid options. @throws TypeError or RangeError for an invalid route */
export function createProxyOver<Tls>(options: ProxyOptions<Tls>, runtime: ServerRuntime<Tls>): Proxy<Tls> {
  const { clock } = options;
  const routes = new Routes(options.routes);
  const calls = newCounter();
  const relay: RelayHost = {
    calls,
    refused: { noRoute: 0, unsupported: 0 },
    deadlines: deadlinesOf(clock),
    methods: new RelayedMethods(options.idempotent ?? []),
    held: new HeldBytes(),
    alarm: new ResetAlarm(clock, calls),
    section: sectionReader(),
  };
  const web = proxyAnswer(routes, relay, options.cors);
  const acceptOn = (port: number) => new ProxyDispatcher(port, routes, relay, acceptWeb(web(() => port), relay)).accept;
  const host = hostOf(options, runtime, {
    accept: acceptOn(0),
    maxResets: MOST_RESETS,
    http1: undefined,
    tlsOf: "the proxy",
  });
  const close = async () => {
    await host.close();
    await routes.close();
  };
  const proxy: Proxy<Tls> = {
    get connections() {
      return host.size;
    },
    async listen({ tls, ...where } = {}) {
      checkOptions("listen()", where, LISTEN);
      let port = where.port ?? 0;
      const http1 = runtime.http1?.(web(() => port));
      const address = await host.listen(where, { tls, accept: acceptOn, http1 });
      port = address.port;
      return address;
    },
    serveConnection(stream, client: Peer = {}) {
      host.serve(byteStreamOf(stream), client);
    },
    snapshot() {
      const server = host.snapshot(relay.calls);
      return {
        ...server,
        refused: { ...relay.refused, ...server.refused },
        routes: routes.served.map(({ authority, path, port, transport }) => ({
          authority,
          path,
          port,
          transport: transport.snapshot(),
        })),
      };
    },
    stopServing() {},
    async close(done) {
      await close();
      done?.();
    },
    [Symbol.asyncDispose]: close,
    closeAllConnections() {
      host.destroy();
    },
  };
  options.channelz?.add(proxy);
  return proxy;
}
