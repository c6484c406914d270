import type { Connector } from "../connection/link.ts";
import { createConnectDriver } from "../etcd/driver/connect/connect-driver.ts";
import { etcdLinkOptions } from "../etcd/driver/connect/link-options.ts";
import { ConnectSessions, createRequestDriver } from "../etcd/driver/connect/request-driver.ts";
import type { EtcdRegistry } from "../etcd/etcd-registry.ts";
import { ETCD_REGISTRY_OPTIONS, type EtcdRegistryOptions } from "../etcd/options.ts";
import { createRegistryOver } from "../etcd/registry.ts";
import { RequestRegistry } from "../etcd/request-registry.ts";
import { plainLinkSettings } from "../grpc/link/options.ts";
import { checkOptions, type Checks } from "../option.ts";
import { scheduleFlush, WORKER_SOCKET_OPTIONS, workerLink, type WorkerSocketOptions } from "./link.ts";

/** Options of {@link createWorkerEtcdRegistry} and {@link createObjectEtcdRegistry}. */
export interface WorkerEtcdRegistryOptions extends EtcdRegistryOptions, Omit<WorkerSocketOptions, "tls"> {}

/**
 * A registry in etcd for a Worker, reached over gRPC on the sockets that `connect` opens. It may be created at module
 * scope: each read and each `renew` opens a socket of its own in the current request and closes it. What needs a socket
 * for longer, a watch or `register`, is refused; a Durable Object can have it, with {@link createObjectEtcdRegistry}.
 *
 * It needs no `nodejs_compat`. An etcd that is reached over TLS must accept HTTP/2 without ALPN, or be behind a TLS
 * terminator; its JSON gateway, over fetch, needs neither.
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
export function createWorkerEtcdRegistry(options: WorkerEtcdRegistryOptions): EtcdRegistry {
  const connector = connectorOf("createWorkerEtcdRegistry()", options);
  const createDriver = () => createRequestDriver(new ConnectSessions(connector, options));
  return new RequestRegistry({ createDriver }, options);
}

/**
 * A registry in etcd like that of {@link createWorkerEtcdRegistry}, but for a Durable Object, or for one request in
 * which it is created and closed: it keeps its connection, and watches and registers like any other.
 *
 * @throws TypeError or RangeError for an invalid option; the message names it and the value.
 */
export function createObjectEtcdRegistry(options: WorkerEtcdRegistryOptions): EtcdRegistry {
  const connector = connectorOf("createObjectEtcdRegistry()", options);
  return createRegistryOver(() => createConnectDriver(connector, options), options);
}

function connectorOf(taker: string, options: WorkerEtcdRegistryOptions): Connector {
  checkOptions(taker, options, OPTIONS);
  const settings = plainLinkSettings(etcdLinkOptions(options), scheduleFlush);
  return (endpoint, events) => workerLink(endpoint, options, settings, events);
}

const OPTIONS: Checks<WorkerEtcdRegistryOptions> = {
  ...ETCD_REGISTRY_OPTIONS,
  connect: WORKER_SOCKET_OPTIONS.connect,
};
