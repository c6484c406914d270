/**
 * gRPC's service config in JSON, as options of a transport, and targets as gRPC spells them. It runs on every runtime.
 *
 * @module
 */
export { ServiceConfigError } from "./service-config/error.ts";
export { fromServiceConfig } from "./service-config/from-service-config.ts";
export type { FromServiceConfigOptions, ServiceConfigOptions } from "./service-config/from-service-config.ts";
export type { ServiceConfigSource, ServiceConfigText } from "./resolver/config-source.ts";
export { parseTarget } from "./service-config/parse-target.ts";
export type { TargetResolver } from "./service-config/parse-target.ts";
export { untrustedServiceConfig } from "./service-config/untrusted.ts";
export type { UntrustedServiceConfig, UntrustedServiceConfigOptions } from "./service-config/untrusted.ts";
export { withServiceConfig } from "./service-config/with-service-config.ts";
export type { WithServiceConfigOptions } from "./service-config/with-service-config.ts";
