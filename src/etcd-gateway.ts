/**
 * A registry in etcd over `fetch` and etcd's JSON gateway, for runtimes without sockets, and for those whose sockets
 * can't reach etcd: Cloudflare Workers without `nodejs_compat`, private networks that are reached through a binding's
 * `fetch`, TLS without ALPN. It is the same registry as that of `connect-lb/etcd`.
 *
 * ```ts
 * import { createGatewayRegistry } from "connect-lb/etcd-gateway";
 *
 * const registry = createGatewayRegistry({ endpoints: ["https://etcd.example:2379"] });
 * const { endpoints } = await registry.resolver("simple_grpc").list!(AbortSignal.timeout(5_000));
 * ```
 *
 * @module
 */
import { createGatewayDriver } from "./etcd/driver/gateway/gateway-driver.ts";
import { parseGatewayEndpoint } from "./etcd/endpoints.ts";
import type { EtcdRegistry } from "./etcd/etcd-registry.ts";
import { ETCD_REGISTRY_OPTIONS, type EtcdRegistryOptions } from "./etcd/options.ts";
import { createRegistryOver } from "./etcd/registry.ts";
import { type Fetch, type Fetcher, isFetch } from "./fetcher.ts";
import { checkOptions, type Checks, kind } from "./option.ts";

/** Options of {@link createGatewayRegistry}. */
export interface CreateGatewayRegistryOptions extends EtcdRegistryOptions {
  /**
   * The URLs of etcd's JSON gateway, which etcd serves at its client URLs: `http://…` or `https://…`, with a path if a
   * proxy in front of etcd has one. When one fails, the next one is tried.
   */
  readonly endpoints: readonly string[];
  /**
   * The `fetch` to use, or an object that has one, such as a binding: `env.VPC`. Defaults to the runtime's, looked up at
   * each request.
   */
  readonly fetch?: Fetch | Fetcher;
}

const OPTIONS: Checks<CreateGatewayRegistryOptions> = {
  ...ETCD_REGISTRY_OPTIONS,
  fetch: kind("a function like fetch, or an object with such a method", isFetch),
};

/**
 * A registry in etcd, reached over `fetch`. It does nothing until its first resolver is consumed, a list is read or
 * `register` is called; creating it in a Worker's global scope is allowed. An open watch may keep the process alive
 * until it is closed.
 *
 * @throws TypeError or RangeError for an invalid option; the message names it and the value.
 */
export function createGatewayRegistry(options: CreateGatewayRegistryOptions): EtcdRegistry {
  checkOptions("createGatewayRegistry()", options, OPTIONS);
  const { fetch, random = Math.random, clock } = options;
  return createRegistryOver(() => createGatewayDriver({ fetch, random, clock }), options, {
    parseEndpoint: parseGatewayEndpoint,
    aloneOnce: true,
  });
}

export type { Fetch, Fetcher } from "./fetcher.ts";
export type { EtcdRegistry } from "./etcd/etcd-registry.ts";
export type { EtcdRegistryOptions } from "./etcd/options.ts";
export type { RegistryEvent } from "./registry/event.ts";
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
export type {
  EndpointAttributes,
  ListedService,
  RegisterOptions,
  Registration,
  RegistrationState,
  Registry,
  Renewal,
  RenewOptions,
} from "./registry/registry.ts";
export type { RegistrationSnapshot, RegistrySnapshot, WatchSnapshot } from "./registry/snapshot.ts";
export type { ServiceConfigSource, ServiceConfigText } from "./resolver/config-source.ts";
