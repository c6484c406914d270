import type { Registry } from "../registry/registry.ts";
import type { ServiceConfigSource } from "../resolver/config-source.ts";

/** A registry in etcd. */
export interface EtcdRegistry extends Registry {
  /**
   * The service config that is kept under a key, as gRPC's JSON, for `withServiceConfig` of
   * `connect-lb/service-config`. Nothing starts before it is used; all users of a key share one watch. While etcd can't
   * be reached, the last config stays in use; events of the registry say so (`config-stale`, `config-fresh`).
   *
   * @throws TypeError for a key below the prefix of any service, since clients of that service, those in Go among them,
   * would read it as an endpoint; for an empty key.
   */
  serviceConfig(key: string): ServiceConfigSource;
}
