import type { EjectOutliersOptions } from "../health/outlier-options.ts";
import { grpcHealth } from "../health/grpc-health.ts";
import type { HealthCheck } from "../health/health.ts";
import { checkOptions, type Checks } from "../option.ts";
import type { Policy } from "../policy/policy.ts";
import type { ServiceConfig } from "../resolver/service-config.ts";
import { type JsonValue, rootOf } from "./json-value.ts";
import { loadBalancingOf, POLICIES, type PolicyReaders } from "./load-balancing.ts";
import { callsOf } from "./method-config.ts";
import { policiesByName, readersOf } from "./policies.ts";

/** Options of {@link fromServiceConfig}. */
export interface FromServiceConfigOptions {
  /**
   * Further policies that the config may choose, by name, such as go-zero's: `{ p2c_ewma: peakEwma() }`. What the config
   * says about them is not read. They replace gRPC's of the same name. Defaults to none.
   */
  readonly policies?: Readonly<Record<string, Policy>>;
}

/** The options of a transport that a service config sets. What it leaves open is absent. */
export interface ServiceConfigOptions {
  /** What `loadBalancingConfig` chooses. */
  readonly policy?: Policy;
  /** What `outlier_detection_experimental` says: the algorithms of gRFC A50 that it has, with A50's defaults. */
  readonly ejectOutliers?: EjectOutliersOptions | false;
  /** `grpcHealth()` for the service of `healthCheckConfig`, if it names one; empty: for the server as a whole. */
  readonly health?: readonly HealthCheck[];
  /** What `methodConfig` and `retryThrottling` say. */
  readonly defaultServiceConfig: ServiceConfig;
}

const OPTIONS: Checks<FromServiceConfigOptions> = { policies: policiesByName };

/**
 * Options of a transport from gRPC's service config in JSON:
 *
 * ```ts
 * import { createBalancedTransport, staticResolver } from "connect-lb";
 * import { grpcConnector } from "connect-lb/node";
 * import { fromServiceConfig } from "connect-lb/service-config";
 *
 * const transport = createBalancedTransport({
 *   ...fromServiceConfig({
 *     loadBalancingConfig: [{ least_request_experimental: {} }, { round_robin: {} }],
 *     methodConfig: [{ name: [{ service: "proto.Simple" }], timeout: "1.5s" }],
 *   }),
 *   resolver: staticResolver(["127.0.0.1:8000"]),
 *   connector: grpcConnector(),
 * });
 * ```
 *
 * Unknown fields are ignored; anything wrong in a known one rejects the whole config. `connectionScaling` is not read:
 * see `grpcConnector({ maxConnectionsPerEndpoint })`. A `methodConfig` with `maxRequestMessageBytes` or
 * `maxResponseMessageBytes` is rejected, because limits by method are not supported. The config is trusted: for one that
 * others can write, see {@link untrustedServiceConfig}.
 *
 * @throws ServiceConfigError for an invalid config: the JSON path and the reason. TypeError for an invalid option.
 */
export function fromServiceConfig(json: string | object, options: FromServiceConfigOptions = {}): ServiceConfigOptions {
  checkOptions("fromServiceConfig()", options, OPTIONS);
  const root = rootOf(json), policies: PolicyReaders = new Map([...POLICIES, ...readersOf(options.policies ?? {})]);
  const balancing = loadBalancingOf(root, policies), defaultServiceConfig = callsOf(root);
  const serviceName = root.field("healthCheckConfig")?.field("serviceName");
  return { ...balancing, ...serviceName && { health: [healthOf(serviceName)] }, defaultServiceConfig };
}

function healthOf(serviceName: JsonValue): HealthCheck {
  const service = serviceName.text();
  try {
    return grpcHealth({ service });
  } catch (error) {
    throw serviceName.rejected(error);
  }
}
