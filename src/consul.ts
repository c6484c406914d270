/**
 * A registry in Consul, over `fetch` and the HTTP API of the local agent: servers register with a check that heartbeats
 * keep passing, and clients watch by blocking queries.
 *
 * ```ts
 * import { createBalancedTransport } from "connect-lb";
 * import { createConsulRegistry } from "connect-lb/consul";
 * import { grpcConnector } from "connect-lb/node";
 *
 * const registry = createConsulRegistry({ agent: "http://127.0.0.1:8500" });
 * const registration = registry.register({ service: "simple_grpc", address: "10.0.0.5:8000", ttlSeconds: 5 });
 * const transport = createBalancedTransport({ resolver: registry.resolver("simple_grpc"), connector: grpcConnector() });
 * ```
 *
 * @module
 */
import type { ConsulRegistryOptions } from "./consul/options.ts";
import { ConsulRegistry } from "./consul/registry.ts";
import type { Registry } from "./registry/registry.ts";

/**
 * A registry in Consul. It does nothing until its first resolver is consumed, a list is read or `register` is called.
 *
 * A registered server is an instance of the service at the local agent, with a TTL check. If heartbeats stop, the check
 * fails after `ttlSeconds` and clients no longer get the server; after another minute or more Consul removes it. Weights
 * are whole numbers, and zone and metadata are stored as the instance's metadata, of at most 512 bytes each.
 *
 * Endpoints are the instances whose checks all pass.
 *
 * @throws TypeError or RangeError for an invalid option; the message names it and the value.
 */
export function createConsulRegistry(options: ConsulRegistryOptions = {}): Registry {
  return new ConsulRegistry(options);
}

export type { ConsulRegistryOptions } from "./consul/options.ts";
export type { Fetch, Fetcher } from "./fetcher.ts";
export type { RegistryEvent } from "./registry/event.ts";
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
