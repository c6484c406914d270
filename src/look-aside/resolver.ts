import { createClient } from "@connectrpc/connect";
import { LoadBalancer, type Server } from "../../gen/grpclb/balancer/v1/balancer_pb.ts";
import type { Endpoint } from "../endpoint.ts";
import { checkOptions, type Checks, clock as aClock, fn, random as aRandom, required, text, time } from "../option.ts";
import { pollingResolver } from "../resolver/polling.ts";
import type { Resolver } from "../resolver/resolver.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { BALANCER_ADDRESS, type BalancerAddressOptions, BalancerTransport } from "./balancer-transport.ts";

/** Options of {@link lookAsideResolver}. */
export interface LookAsideResolverOptions extends BalancerAddressOptions {
  /** The name of the service, as the balancer knows it. */
  readonly target: string;
  /**
   * How often the balancer is asked, in milliseconds. Defaults to 2,000, as in bsm/grpclb. While it doesn't answer, the
   * last set stays in use, and it is asked again after a quarter of that, growing to all of it.
   */
  readonly intervalMs?: number;
  /** How long the balancer may take to answer, in milliseconds. Defaults to `intervalMs`. */
  readonly timeoutMs?: number;
  /**
   * The weight of a server with this score; undefined: it has none. Defaults to {@link weightOfScore}. The score is
   * also in the endpoint's `metadata`, as `{ score }`.
   */
  readonly weightOf?: (score: number) => number | undefined;
  /** The clock of its timers. Defaults to the runtime's. */
  readonly clock?: Clock;
  /** Returns a random number in [0, 1), for the jitter of the backoff. Defaults to `Math.random`. */
  readonly random?: () => number;
}

const aTime = time("milliseconds above 0, not Infinity", (value) => value > 0 && value < Infinity);

const OPTIONS: Checks<LookAsideResolverOptions> = {
  ...BALANCER_ADDRESS,
  target: required(text),
  intervalMs: aTime,
  timeoutMs: aTime,
  weightOf: fn("a function, (score) => number"),
  clock: aClock,
  random: aRandom,
};

/**
 * The endpoints of a service, from a look-aside balancer that speaks the protocol of bsm/grpclb
 * (`grpclb.balancer.v1.LoadBalancer`), such as `connect-lb balancer`. It is asked while the resolver has consumers, once
 * for all of them.
 *
 * ```ts
 * import { createBalancedTransport } from "connect-lb";
 * import { lookAsideResolver } from "connect-lb/look-aside";
 * import { grpcConnector } from "connect-lb/node";
 *
 * const connector = grpcConnector();
 * const resolver = lookAsideResolver({ target: "simple_grpc", balancers: ["10.0.0.1:8383"], connector });
 * const transport = createBalancedTransport({ resolver, connector });
 * ```
 *
 * The balancer gives each server a score, which is its load: less is better. It becomes a weight, which the default
 * policy obeys, see {@link weightOfScore}.
 *
 * @throws TypeError or RangeError for an invalid option; the message names it.
 */
export function lookAsideResolver(options: LookAsideResolverOptions): Resolver {
  checkOptions("lookAsideResolver()", options, OPTIONS);
  const { target, intervalMs = 2_000, timeoutMs = intervalMs, weightOf = weightOfScore } = options;
  const { clock = systemClock, random = Math.random } = options;
  const balancer = new BalancerTransport({ ...options, clock, random });
  const polled = pollingResolver({
    target,
    label: `asking the look-aside balancer for ${target}`,
    poll: (signal) =>
      balancer.use(async (transport) => {
        const { servers } = await createClient(LoadBalancer, transport).servers({ target }, { signal });
        return { endpoints: servers.map((server) => endpointOf(server, weightOf)) };
      }),
    intervalMs,
    minIntervalMs: intervalMs / 4,
    timeoutMs,
    clock,
    random,
  });
  return {
    target,
    scheme: "lookaside",
    // The transport stays open from one poll to the next.
    resolve: (signal) => balancer.using(() => polled.resolve(signal)),
    list: (signal) => polled.list!(signal),
    refresh: () => polled.refresh!(),
  };
}

/**
 * The weight of a server whose load is `score`: 1 / √(1 + score), so that a server with four times the load gets half
 * the calls. Without the root, clients would overshoot: servers that get fewer calls have less load at the next look,
 * and would then get as many more.
 */
export function weightOfScore(score: number): number {
  return 1 / Math.sqrt(1 + Math.max(0, score));
}

function endpointOf(server: Server, weightOf: (score: number) => number | undefined): Endpoint {
  const score = Number(server.score), weight = weightOf(score);
  return { address: networkAddress(server.address), ...weight !== undefined && { weight }, metadata: { score } };
}

/** What another program names is called over the network only: a socket's path becomes an address that is skipped. */
function networkAddress(address: string): string {
  return address.startsWith("unix:") ? `(${address})` : address;
}
