import type { Endpoint } from "../../endpoint.ts";
import {
  checkOptions,
  type Checks,
  clock as aClock,
  makes,
  millisecondsFrom0,
  random as aRandom,
  required,
  text,
} from "../../option.ts";
import type { Resolver } from "../../resolver/resolver.ts";
import { type ServiceConfig, serviceConfig as aServiceConfig } from "../../resolver/service-config.ts";
import { staticResolver } from "../../resolver/static.ts";
import { type Clock, systemClock } from "../../time/clock.ts";
import { BALANCER_ADDRESS, type BalancerAddressOptions, BalancerTransport } from "../balancer-transport.ts";
import { GrpclbSource } from "./source.ts";

/** Options of {@link grpclbResolver}. */
export interface GrpclbResolverOptions extends BalancerAddressOptions {
  /** The name of the service, as the balancer knows it: `service.example.com`. */
  readonly name: string;
  /**
   * Where the servers are when the balancer doesn't say: addresses, or a resolver. Defaults to none: calls then wait for
   * the balancer's first list, and after that the last list stays in use.
   */
  readonly fallback?: readonly (string | Endpoint)[] | Resolver;
  /** How long calls wait for the balancer's first list before `fallback` is used, in milliseconds. Defaults to 10,000. */
  readonly fallbackTimeoutMs?: number;
  /**
   * Timeouts, retries and so on by method: the transport's `defaultServiceConfig` does not apply, because the resolver
   * brings a config with the policy of the protocol. Its own `policy` is ignored. Defaults to `{}`.
   */
  readonly serviceConfig?: ServiceConfig;
  /** The clock of its timers. Defaults to the runtime's. */
  readonly clock?: Clock;
  /** Returns a random number in [0, 1), for the jitter of the backoff. Defaults to `Math.random`. */
  readonly random?: () => number;
}

const OPTIONS: Checks<GrpclbResolverOptions> = {
  ...BALANCER_ADDRESS,
  name: required(text),
  fallback: makes('an array of addresses, such as ["10.0.0.5:8000"], or a resolver', (value) => {
    return Array.isArray(value) || isResolver(value);
  }),
  fallbackTimeoutMs: millisecondsFrom0,
  serviceConfig: aServiceConfig,
  clock: aClock,
  random: aRandom,
};

const isResolver = (value: unknown) => typeof (value as Partial<Resolver> | null)?.resolve === "function";

/**
 * The endpoints of a service, from a balancer that speaks gRPC's look-aside protocol, `grpc.lb.v1` ("grpclb"; not the
 * layout of keys in etcd with that name). gRPC itself prefers xDS today.
 *
 * ```ts
 * import { createBalancedTransport } from "connect-lb";
 * import { grpclbResolver } from "connect-lb/look-aside";
 * import { grpcConnector } from "connect-lb/node";
 *
 * const connector = grpcConnector();
 * const resolver = grpclbResolver({ name: "simple_grpc", balancers: ["10.0.0.1:3000"], connector });
 * const transport = createBalancedTransport({ resolver, connector });
 * ```
 *
 * Its resolutions bring the protocol's policy, which replaces the transport's: each call takes the next turn of the
 * balancer's list, is dropped (Unavailable, without a retry) if the list says so, and otherwise carries the server's
 * token in its metadata `lb-token`. The balancer gets reports of the calls as often as it asks for them, at most every
 * second.
 *
 * `fallback` is used when there is no list within `fallbackTimeoutMs`, when the stream to the balancer ends and none of
 * its servers can be reached, and when the balancer asks for it; and until its next list. A stream that ends is replaced
 * with gRPC's backoff: 1 s, growing to 2 minutes, counted from its beginning.
 *
 * @throws TypeError or RangeError for an invalid option; the message names it.
 */
export function grpclbResolver(options: GrpclbResolverOptions): Resolver {
  checkOptions("grpclbResolver()", options, OPTIONS);
  const { name, fallback, fallbackTimeoutMs = 10_000, serviceConfig = {} } = options;
  const { clock = systemClock, random = Math.random } = options;
  const source = new GrpclbSource({
    name,
    balancer: new BalancerTransport({ ...options, clock, random }),
    fallback: isResolver(fallback) ? fallback as Resolver : fallback && staticResolver(fallback as readonly string[]),
    fallbackTimeoutMs,
    serviceConfig,
    clock,
    random,
  });
  return {
    target: name,
    scheme: "grpclb",
    resolve: (signal) => source.resolve(signal),
    list: (signal) => source.read(signal),
  };
}
