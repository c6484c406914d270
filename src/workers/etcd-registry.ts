import { createConnectDriver } from "../etcd/driver/connect/connect-driver.ts";
import { etcdLinkOptions } from "../etcd/driver/connect/link-options.ts";
import { createRegistryOver, ETCD_REGISTRY_OPTIONS, type EtcdRegistryOptions } from "../etcd/registry.ts";
import { checkOptions, type Checks, oneOf } from "../option.ts";
import type { Registry } from "../registry/registry.ts";
import { WORKER_SOCKET_OPTIONS, workerConnector, type WorkerSocketOptions } from "./connector.ts";

/** Options of {@link createWorkerEtcdRegistry}. */
export interface WorkerEtcdRegistryOptions extends EtcdRegistryOptions, Omit<WorkerSocketOptions, "tls"> {
  /**
   * Where the registry's sockets live. Defaults to "request": the registry may be created at module scope; each read
   * opens a socket of its own in the current request and closes it, and what needs a socket for longer, a watch or
   * `register`, is refused. "object": in a Durable Object, or in a registry that is created and closed within one
   * request; there it watches and registers like any other.
   */
  readonly lifetime?: "request" | "object";
}

/**
 * A registry in etcd for Workers and Durable Objects, reached over gRPC on the sockets that `connect` opens. It needs
 * no `nodejs_compat`. An etcd that is reached over TLS must accept HTTP/2 without ALPN, or be behind a TLS terminator;
 * its JSON gateway, over fetch, needs neither.
 *
 * ```ts
 * import { connect } from "cloudflare:sockets";
 * import { createWorkerEtcdRegistry } from "connect-lb/workers";
 *
 * const registry = createWorkerEtcdRegistry({ endpoints: ["http://etcd.example:2379"], connect });
 * ```
 *
 * @throws TypeError or RangeError for an invalid option; the message names it and the value.
 */
export function createWorkerEtcdRegistry(options: WorkerEtcdRegistryOptions): Registry {
  checkOptions("createWorkerEtcdRegistry()", options, OPTIONS);
  const { connect, lifetime = "request" } = options;
  const connector = workerConnector({ connect, ...etcdLinkOptions(options) });
  return createRegistryOver(() => createConnectDriver(connector), options, { lifetime });
}

const OPTIONS: Checks<WorkerEtcdRegistryOptions> = {
  ...ETCD_REGISTRY_OPTIONS,
  connect: WORKER_SOCKET_OPTIONS.connect,
  lifetime: oneOf("request", "object"),
};
