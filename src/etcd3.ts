/**
 * A registry in etcd over the `etcd3` package, for Node, Bun and Deno: for programs that already use that package. It
 * is the same registry as that of `connect-lb/etcd`, which needs no package other than its own peers.
 *
 * ```ts
 * import { createEtcd3Registry } from "connect-lb/etcd3";
 * import { Etcd3 } from "etcd3";
 *
 * const registry = createEtcd3Registry({ Etcd3, endpoints: ["http://127.0.0.1:2379"] });
 * const another = createEtcd3Registry({ client: new Etcd3({ hosts: ["127.0.0.1:2379"] }) });
 * ```
 *
 * connect-lb itself doesn't import the package (version 1): your program does, and passes its class or a client. It
 * reads its own files when it is loaded, so it can't be part of a bundle.
 *
 * @module
 */
import { createEtcd3Driver } from "./etcd/driver/etcd3/etcd3-driver.ts";
import { sourceOf } from "./etcd/driver/etcd3/client-options.ts";
import type { Etcd3Class, Etcd3Client } from "./etcd/driver/etcd3/package.ts";
import type { EtcdRegistry } from "./etcd/etcd-registry.ts";
import { ETCD_REGISTRY_OPTIONS, type EtcdRegistryOptions } from "./etcd/options.ts";
import { createRegistryOver } from "./etcd/registry.ts";
import { type Etcd3TlsOptions, grpcCredentials } from "./node/grpc-credentials.ts";
import { anything, checkOptions, type Checks, givenOf, kind, wrongOption } from "./option.ts";

/** Options of {@link createEtcd3Registry}: where etcd is, or a client of the package that knows. */
export type CreateEtcd3RegistryOptions = Etcd3EndpointsOptions | Etcd3ClientOptions;

/** Where etcd is, with the options of any etcd registry. */
export interface Etcd3EndpointsOptions extends EtcdRegistryOptions {
  /** The class of the `etcd3` package, with which the registry creates its own clients. */
  readonly Etcd3: Etcd3Class;
  /** How `https://` endpoints are verified, and the client's certificate if etcd requires one. */
  readonly tls?: Etcd3TlsOptions;
  /** Not together with `Etcd3`. */
  readonly client?: undefined;
}

/** A client of the package that knows where etcd is, with the other options of an etcd registry. */
export interface Etcd3ClientOptions extends Omit<EtcdRegistryOptions, "endpoints" | "username" | "password"> {
  /**
   * Your own client. The registry creates its own clients with this one's hosts, credentials, user and channel options;
   * this one is neither called nor closed, because its retries and circuit breakers would come between etcd and the
   * registry.
   */
  readonly client: Etcd3Client;
  /** Not together with `client`. */
  readonly Etcd3?: undefined;
}

type AnyOptions = Record<keyof Etcd3EndpointsOptions | keyof Etcd3ClientOptions, unknown>;

const OPTIONS: Checks<AnyOptions> = {
  ...ETCD_REGISTRY_OPTIONS,
  // Absent if there is a client, which has them.
  endpoints: anything,
  tls: kind("an object, { ca, cert, key, servername }", (value) => typeof value === "object" && value !== null),
  // Read by `sourceOf`.
  client: anything,
  // Checked below: absent if there is a client.
  Etcd3: anything,
};

/**
 * A registry in etcd, reached through the `etcd3` package. It does nothing until its first resolver is consumed or
 * `register` is called. An open watch keeps the process alive until it is closed.
 *
 * @throws TypeError or RangeError for an invalid option; the message names it and the value.
 */
export function createEtcd3Registry(options: CreateEtcd3RegistryOptions): EtcdRegistry {
  checkOptions("createEtcd3Registry()", options as unknown as AnyOptions, OPTIONS);
  if (options.client !== undefined) {
    const { source, ...where } = sourceOf(options.client, options);
    return createRegistryOver(() => createEtcd3Driver(source), { ...givenOf(options, Object.keys(OPTIONS)), ...where });
  }
  const { Etcd3 } = options;
  if (typeof Etcd3 !== "function") {
    const expected = 'the class of the etcd3 package (import { Etcd3 } from "etcd3"), or client: an instance of it';
    throw wrongOption("Etcd3", Etcd3, expected);
  }
  const credentials = options.tls === undefined ? undefined : grpcCredentials(options.tls);
  const grpcOptions = options.tls?.servername === undefined
    ? undefined
    : { "grpc.ssl_target_name_override": options.tls.servername };
  return createRegistryOver(() => createEtcd3Driver({ Etcd3, credentials, grpcOptions }), options);
}

export type { Etcd3Class, Etcd3Client } from "./etcd/driver/etcd3/package.ts";
export type { EtcdRegistry } from "./etcd/etcd-registry.ts";
export type { EtcdRegistryOptions } from "./etcd/options.ts";
export type { RegistryEvent } from "./registry/event.ts";
export type { Etcd3TlsOptions } from "./node/grpc-credentials.ts";
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
