/**
 * A gRPC server for Node, Bun and Deno, which also speaks Connect and gRPC-Web, with the services of Connect's code
 * generation.
 *
 * ```ts
 * import { createGrpcServer, shutdown } from "connect-lb/server";
 * import { Simple } from "./gen/simple_pb.ts";
 *
 * const server = createGrpcServer({
 *   routes: (router) => router.service(Simple, { route: ({ data }) => ({ code: 200, value: `hello ${data}` }) }),
 * });
 * const { address } = await server.listen({ host: "127.0.0.1", port: 0 });
 * process.once("SIGTERM", () => shutdown(server));
 * ```
 *
 * @module
 */
import { scheduleFlush, scheduleStreamFlush } from "./node/flush-scheduler.ts";
import { http1Server } from "./node/http1.ts";
import { listen } from "./node/listen.ts";
import { nextTurn } from "./node/next-turn.ts";
import { type ServerTlsSource, serverTlsSource } from "./node/server-tls.ts";
import { checkOptions, type Checks } from "./option.ts";
import { PROXY_OPTIONS, type ProxyOptions } from "./proxy/options.ts";
import { createProxyOver, type Proxy as ProxyOver } from "./proxy/proxy.ts";
import { createServerOver, type GrpcServer } from "./server/grpc-server.ts";
import type { ListenOptions } from "./socket/listener.ts";
import { GRPC_SERVER_OPTIONS, type GrpcServerOptions } from "./server/options.ts";

/** Options of {@link createGrpcServer}. */
export type CreateGrpcServerOptions = GrpcServerOptions<ServerTlsSource>;

/**
 * Creates a gRPC server. It does nothing until `listen` or `serveConnection` is called.
 *
 * @throws TypeError or RangeError for an invalid option; the message names it and the value.
 */
export function createGrpcServer(options: CreateGrpcServerOptions): GrpcServer {
  for (const name of ["port", "host", "path"] as const) {
    if ((options as Partial<ListenOptions> | null)?.[name] === undefined) continue;
    throw new TypeError(
      `createGrpcServer() has no option "${name}": listen() takes it, as in await server.listen({ port: 8000 })`,
    );
  }
  checkOptions("createGrpcServer()", options, OPTIONS);
  return createServerOver(options, { http1: http1Server, listen, nextTurn, scheduleStreamFlush, scheduleFlush });
}

/** Options of {@link createProxy}. */
export type CreateProxyOptions = ProxyOptions<ServerTlsSource>;

/**
 * Creates a proxy for gRPC: calls in any language come in on one address, and each goes to a server of its route's
 * service, by the policies, health checks and retries of a balanced transport. Messages pass through unread, so it needs
 * no schema. It does nothing until `listen` or `serveConnection` is called; `shutdown()` stops it without failing a call.
 *
 * ```ts
 * import { staticResolver } from "connect-lb";
 * import { grpcConnector } from "connect-lb/node";
 * import { createProxy, shutdown } from "connect-lb/server";
 *
 * const to = { resolver: staticResolver(["127.0.0.1:8001", "127.0.0.1:8002"]), connector: grpcConnector() };
 * const proxy = createProxy({ routes: [{ to }] });
 * await proxy.listen({ host: "127.0.0.1", port: 0 });
 * await shutdown(proxy);
 * ```
 *
 * @throws TypeError or RangeError for an invalid option; the message names it and the value.
 */
export function createProxy(options: CreateProxyOptions): Proxy {
  checkOptions("createProxy()", options, PROXY);
  return createProxyOver(options, { http1: http1Server, listen, nextTurn, scheduleStreamFlush, scheduleFlush });
}

/** What {@link createProxy} returns. */
export type Proxy = ProxyOver<ServerTlsSource>;

const PROXY: Checks<CreateProxyOptions> = { ...PROXY_OPTIONS, tls: serverTlsSource };

const OPTIONS: Checks<CreateGrpcServerOptions> = { ...GRPC_SERVER_OPTIONS, tls: serverTlsSource };

export { shutdown, type ShutdownOptions } from "./node/drain.ts";
export type { Closable } from "./node/drain.ts";
export type { ServerTlsOptions, ServerTlsSource } from "./node/server-tls.ts";
export type { GrpcServer } from "./server/grpc-server.ts";
export type { ServerKeepalive, ServerLimits } from "./server/options.ts";
export type { ProxyOptions, ProxyRoute } from "./proxy/options.ts";
export type { ProxyListenOptions, ProxyRefusedCounts, ProxySnapshot, RouteSnapshot } from "./proxy/proxy.ts";
export type { ServerSnapshot } from "./server/snapshot.ts";
export type { CallCounts, SocketInfo, SocketSnapshot, StreamCounts } from "./snapshot.ts";
export type { CorsOptions } from "./grpc/server/cors.ts";
export type { FetchHandler } from "./grpc/server/fetch-handler.ts";
export type { FailedCall, IncomingRequest, RouteOptions } from "./grpc/server/options.ts";
export type { CallRecorder } from "./grpc/server/recorder.ts";
export type {
  ServerCallEnd,
  ServerCallMessage,
  ServerCallStart,
  ServerCallWatch,
  ServerObserver,
} from "./grpc/server/observer.ts";
export type { RefusedCounts } from "./http2/server/refused.ts";
export type { Peer, PeerCertificate } from "./http2/server/peer.ts";
export type { ListenAddress, ListenOptions } from "./socket/listener.ts";
export { createHealth, type ServerHealth, type ServingStatus } from "./server/health.ts";
export { type ReflectionOptions, reflectionRoutes } from "./server/reflection.ts";
export { type CallMetrics, type LoadMetrics, recordCallMetrics } from "./server/load-metrics.ts";
export { type LoadReportOptions, type LoadReports, reportLoad } from "./server/load-report.ts";
