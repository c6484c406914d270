/**
 * gRPC in Workers and Durable Objects: calls over sockets that belong to requests, and a registry in etcd. It imports no
 * module of a platform and needs no `nodejs_compat`: `connect` of `cloudflare:sockets` is passed in.
 *
 * ```ts
 * import { createClient } from "@connectrpc/connect";
 * import { connect } from "cloudflare:sockets";
 * import { createWorkerEtcdRegistry, createWorkerTransport, type RequestContext } from "connect-lb/workers";
 * import { Simple } from "./gen/simple_pb.ts";
 *
 * const registry = createWorkerEtcdRegistry({ endpoints: ["http://etcd.example:2379"], connect });
 * const transport = createWorkerTransport({ resolver: registry.resolver("simple_grpc"), connect });
 *
 * export default {
 *   async fetch(_request: Request, _env: unknown, ctx: RequestContext): Promise<Response> {
 *     const simple = createClient(Simple, transport.forRequest(ctx));
 *     return Response.json(await simple.route({ data: "hello" }));
 *   },
 * };
 * ```
 *
 * @module
 */
export { workerConnector } from "./workers/connector.ts";
export type { WorkerConnectorOptions } from "./workers/connector.ts";
export type { WorkerSocketOptions } from "./workers/link.ts";
export { createObjectEtcdRegistry, createWorkerEtcdRegistry } from "./workers/etcd-registry.ts";
export type { WorkerEtcdRegistryOptions } from "./workers/etcd-registry.ts";
export { createWorkerTransport } from "./workers/transport.ts";
export type { WorkerTransport, WorkerTransportOptions } from "./workers/transport.ts";
export type { RequestContext } from "./transport/pull.ts";
export type { Connect, SocketOptions, SocketTarget, StreamSocket } from "./workers/connect.ts";
export { createBalancerObject } from "./workers/object/balancer-object.ts";
export type { BalancerObject, BalancerObjectClass, BalancerObjectOptions } from "./workers/object/balancer-object.ts";
export { objectRegistry } from "./workers/object/object-registry.ts";
export type { ObjectRegistry, ObjectRegistryOptions } from "./workers/object/object-registry.ts";
export { objectTransport } from "./workers/object/object-transport.ts";
export type { ObjectTransportOptions } from "./workers/object/object-transport.ts";
export type { ObjectNamespace, ObjectState, ObjectStorage, ObjectStub } from "./workers/object/platform.ts";
export type { EntryName, ObjectRegisterOptions } from "./workers/object/registrations.ts";
export { dubboApplication } from "./registry/layout/dubbo-application.ts";
export { dubboInterface, type DubboInterfaceOptions } from "./registry/layout/dubbo-interface.ts";
export { etcdNaming, type EtcdNamingOptions } from "./registry/layout/etcd-naming.ts";
export { goMicro, type GoMicroOptions } from "./registry/layout/go-micro.ts";
export { goZero, type GoZeroOptions } from "./registry/layout/go-zero.ts";
export { grpclb, type GrpclbOptions } from "./registry/layout/grpclb.ts";
export { kitex } from "./registry/layout/kitex.ts";
export { kratos, type KratosOptions } from "./registry/layout/kratos.ts";
export type { Layout, LayoutEntry } from "./registry/layout/layout.ts";
export { readEntry } from "./registry/layout/read.ts";
export { wonaming } from "./registry/layout/wonaming.ts";
export { wwcdGrpcLb } from "./registry/layout/wwcd-grpc-lb.ts";
