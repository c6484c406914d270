import type { Connector } from "../connection/link.ts";
import { GRPC_LINK_OPTIONS, type GrpcLinkOptions, linkSettings } from "../grpc/link/options.ts";
import { checkOptions, type Checks, made } from "../option.ts";
import { scheduleFlush, WORKER_SOCKET_OPTIONS, workerLink, type WorkerSocketOptions } from "./link.ts";

/** Options of {@link workerConnector}. */
export interface WorkerConnectorOptions extends GrpcLinkOptions, WorkerSocketOptions {}

const OPTIONS: Checks<WorkerConnectorOptions> = { ...GRPC_LINK_OPTIONS, ...WORKER_SOCKET_OPTIONS };

/**
 * This library's own gRPC over HTTP/2 in a Worker or a Durable Object, over the sockets that `connect` opens: what
 * `grpcConnector` is on Node, Bun and Deno, without any module of theirs.
 *
 * Its sockets belong to the request in which they are opened, so it suits a transport that lives in one request or in a
 * Durable Object. A transport at module scope is made with `createWorkerTransport`.
 *
 * @throws TypeError or RangeError for options of the wrong type or range.
 */
export function workerConnector(options: WorkerConnectorOptions): Connector {
  checkOptions("workerConnector()", options, OPTIONS);
  const settings = linkSettings(options, scheduleFlush);
  return (endpoint, events) => workerLink(endpoint, options, settings, events);
}

made(workerConnector);
