/**
 * Connect and gRPC-Web services as a function from `Request` to `Response`, for whatever serves those: `Bun.serve`,
 * `Deno.serve`, a Worker, a framework. Without Node's modules.
 *
 * @module
 */
import { checkOptions } from "./option.ts";
import { type FetchHandler, fetchHandler } from "./grpc/server/fetch-handler.ts";
import { SERVICE_OPTIONS, type ServiceOptions } from "./grpc/server/options.ts";
import { Services } from "./grpc/server/services.ts";

export type { CorsOptions } from "./grpc/server/cors.ts";
export type { FetchHandler } from "./grpc/server/fetch-handler.ts";
export type { FailedCall, IncomingRequest, RouteOptions, ServiceOptions } from "./grpc/server/options.ts";
export type {
  ServerCallEnd,
  ServerCallMessage,
  ServerCallStart,
  ServerCallWatch,
  ServerObserver,
} from "./grpc/server/observer.ts";
export type { Peer, PeerCertificate } from "./http2/server/peer.ts";

/**
 * Creates a handler of fetch requests that serves Connect routes over the Connect and gRPC-Web protocols. (gRPC itself
 * needs HTTP/2 with trailers: `createGrpcServer` of `connect-lb/server` serves all three.)
 *
 * ```ts
 * import { createFetchHandler } from "connect-lb/server-fetch";
 * import { Simple } from "./gen/simple_pb.ts";
 *
 * const handler = createFetchHandler({
 *   routes: (router) => router.service(Simple, { route: ({ data }) => ({ code: 200, value: `hello ${data}` }) }),
 *   cors: { origins: ["https://app.example"] },
 * });
 * export default { fetch: handler }; // Bun.serve({ fetch: handler }), Deno.serve(handler)
 * ```
 *
 * @throws TypeError or RangeError for an invalid option, and whatever `routes` throws
 */
export function createFetchHandler(options: ServiceOptions): FetchHandler {
  checkOptions("createFetchHandler()", options, SERVICE_OPTIONS);
  return fetchHandler(new Services(options));
}
