/**
 * gRPC in Workers and Durable Objects: calls over sockets that belong to requests, and a registry in etcd. It imports no
 * module of a platform and needs no `nodejs_compat`: `connect` of `cloudflare:sockets` is passed in.
 *
 * ```ts
 * import { connect } from "cloudflare:sockets";
 * import { createWorkerEtcdRegistry, createWorkerTransport } from "connect-lb/workers";
 *
 * const registry = createWorkerEtcdRegistry({ endpoints: ["http://etcd.example:2379"], connect });
 * const transport = createWorkerTransport({ resolver: registry.resolver("simple_grpc"), connect });
 *
 * export default {
 *   async fetch(request, env, ctx) {
 *     const simple = createClient(Simple, transport.forRequest(ctx));
 *     return Response.json(await simple.route({ data: "hello" }));
 *   },
 * };
 * ```
 *
 * @module
 */
export { workerConnector } from "./workers/connector.ts";
export type { WorkerConnectorOptions, WorkerSocketOptions } from "./workers/connector.ts";
export { createWorkerEtcdRegistry } from "./workers/etcd-registry.ts";
export type { WorkerEtcdRegistryOptions } from "./workers/etcd-registry.ts";
export type { Connect, SocketOptions, SocketTarget, StreamSocket } from "./workers/connect.ts";
