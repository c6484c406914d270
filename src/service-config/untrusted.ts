import { checkOptions, type Checks } from "../option.ts";
import type { Policy } from "../policy/policy.ts";
import type { ServiceConfig } from "../resolver/service-config.ts";
import { ServiceConfigError } from "./error.ts";
import { rootOf } from "./json-value.ts";
import { loadBalancingOf } from "./load-balancing.ts";
import { callsOf } from "./method-config.ts";
import { policiesByName, readersOf } from "./policies.ts";

/** Options of {@link untrustedServiceConfig}. */
export interface UntrustedServiceConfigOptions {
  /** The policies that the config may choose from, by name: `{ round_robin: roundRobin() }`. Defaults to none. */
  readonly policies?: Readonly<Record<string, Policy>>;
}

/** What a config from elsewhere may say. */
export interface UntrustedServiceConfig {
  /** The one of the given policies that it chooses. */
  readonly policy?: Policy;
  /** For `Resolution.config` or `defaultServiceConfig`; marked as `untrusted`. */
  readonly config: ServiceConfig;
}

const OPTIONS: Checks<UntrustedServiceConfigOptions> = { policies: policiesByName };

/** The longest text, in bytes of UTF-8. */
const MOST_BYTES = 65_536;

/**
 * Reads gRPC's service config from a place that others can write to, such as a registry. It is valid as in
 * {@link fromServiceConfig}, but may only
 *
 * - be at most 64 KiB long,
 * - shorten timeouts: those of calls, and `defaultTimeoutMs`,
 * - choose among the policies that the program passes,
 * - retry or hedge methods that the schema marks as `IDEMPOTENT` or `NO_SIDE_EFFECTS`, or that the transport's
 *   `retry.methods` lists, on a budget that is no larger than the transport's.
 *
 * What else it says (`waitForReady`, `healthCheckConfig`) has no effect.
 *
 * @throws ServiceConfigError for an invalid config: the JSON path and the reason. TypeError for an invalid option.
 */
export function untrustedServiceConfig(
  json: string,
  options: UntrustedServiceConfigOptions = {},
): UntrustedServiceConfig {
  checkOptions("untrustedServiceConfig()", options, OPTIONS);
  if (typeof json !== "string") throw new ServiceConfigError("", "is not a string of JSON");
  // UTF-8 has at least as many bytes as the string has units, so that nothing huge is encoded.
  if (json.length > MOST_BYTES || new TextEncoder().encode(json).length > MOST_BYTES) {
    throw new ServiceConfigError("", `is longer than ${MOST_BYTES} bytes`);
  }
  const root = rootOf(json);
  const balancing = loadBalancingOf(root, readersOf(options.policies ?? {}));
  return { ...balancing && { policy: balancing.policy }, config: { ...callsOf(root), untrusted: true } };
}
