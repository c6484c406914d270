/**
 * A registry in etcd, for Node, Bun and Deno: servers register under a lease that is kept alive, and clients watch.
 *
 * ```ts
 * import { createBalancedTransport } from "connect-lb";
 * import { createEtcdRegistry } from "connect-lb/etcd";
 * import { grpcConnector } from "connect-lb/node";
 *
 * const registry = createEtcdRegistry({ endpoints: ["http://127.0.0.1:2379"] });
 * const registration = registry.register({ service: "simple_grpc", address: "10.0.0.5:8000", ttlSeconds: 5 });
 * const transport = createBalancedTransport({ resolver: registry.resolver("simple_grpc"), connector: grpcConnector() });
 * ```
 *
 * @module
 */
import { createConnectDriver } from "./etcd/driver/connect/connect-driver.ts";
import { etcdLinkOptions } from "./etcd/driver/connect/link-options.ts";
import type { EtcdRegistry } from "./etcd/etcd-registry.ts";
import { ETCD_REGISTRY_OPTIONS, type EtcdRegistryOptions } from "./etcd/options.ts";
import { createRegistryOver } from "./etcd/registry.ts";
import type { Connector } from "./connection/link.ts";
import { grpcConnector, type TlsSource } from "./node/grpc-connector.ts";
import { tlsSource } from "./node/tls-options.ts";
import { checkOptions, type Checks, makes } from "./option.ts";

/** Options of {@link createEtcdRegistry}. */
export interface CreateEtcdRegistryOptions extends EtcdRegistryOptions {
  /** How `https://` endpoints are verified, and the client's certificate if etcd requires one. */
  readonly tls?: TlsSource;
  /**
   * A connector to use instead of direct sockets: `grpcConnector({ proxy, tls, connectTimeoutMs, readMaxBytes })`, or,
   * for tests, `transportConnector(() => memoryEtcd.transport())`. Not together with `tls`.
   */
  readonly connector?: Connector;
}

/**
 * A registry in etcd, reached over gRPC. It does nothing until its first resolver is consumed or `register` is called.
 *
 * @throws TypeError or RangeError for an invalid option; the message names it and the value.
 */
export function createEtcdRegistry(options: CreateEtcdRegistryOptions): EtcdRegistry {
  checkOptions("createEtcdRegistry()", options, OPTIONS);
  const { tls } = options;
  if (tls !== undefined) checkTlsIsUsed(options);
  const connector = options.connector ?? grpcConnector({ ...etcdLinkOptions(options), tls });
  return createRegistryOver(() => createConnectDriver(connector, options), options);
}

const OPTIONS: Checks<CreateEtcdRegistryOptions> = {
  ...ETCD_REGISTRY_OPTIONS,
  tls: tlsSource,
  connector: makes("a connector, such as transportConnector(…)", (value) => typeof value === "function"),
};

/** A caller who passes `tls` expects it to be used. */
function checkTlsIsUsed({ endpoints, connector }: CreateEtcdRegistryOptions): void {
  const plain = Array.isArray(endpoints) ? endpoints.find((url) => /^http:/i.test(url)) : undefined;
  if (plain !== undefined) throw new TypeError(`option tls is set, but ${plain} does not use TLS: expected https://…`);
  if (connector !== undefined) throw new TypeError("options tls and connector can't be combined");
}

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
