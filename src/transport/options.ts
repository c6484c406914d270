import type { Interceptor } from "@connectrpc/connect";
import type { BalancerEvent } from "../balancer/event.ts";
import type { Attempt, CallObserver } from "../call/observer.ts";
import type { Hedging } from "../call/hedging.ts";
import { RETRY, type RetryOptions } from "../call/retry.ts";
import type { Throttle } from "../call/throttle.ts";
import type { Connector } from "../connection/link.ts";
import {
  type Check,
  type Checks,
  clock,
  fields,
  fieldsOrFalse,
  flag,
  fn,
  from1,
  interceptors,
  listOf,
  makes,
  milliseconds,
  number,
  or,
  random,
  required,
  wholeNumber,
} from "../option.ts";
import type { HealthCheck } from "../health/health.ts";
import { EJECT_OUTLIERS, type EjectOutliersOptions } from "../health/outlier-options.ts";
import type { FlightRecorder } from "../observe/recorder/flight-recorder.ts";
import type { Policy } from "../policy/policy.ts";
import type { Resolver } from "../resolver/resolver.ts";
import { type ServiceConfig, serviceConfig } from "../resolver/service-config.ts";
import type { BackoffOptions } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import type { TransportObserver } from "./observer.ts";

/** Options of {@link createBalancedTransport}. */
export interface BalancedTransportOptions {
  /** Where the endpoints come from: a registry's `resolver(service)`, or `staticResolver([…])`. */
  readonly resolver: Resolver;
  /** What opens a link to an endpoint: `grpcConnector()` of `connect-lb/node`, or `transportConnector(…)`. */
  readonly connector: Connector;
  /**
   * How a connection is chosen for each call, unless the resolver yields a config that has a policy. Defaults to that of
   * `defaultServiceConfig`, or else to `weightedRoundRobin()`: round robin, unless servers register with different
   * weights.
   */
  readonly policy?: Policy;
  /** Checks that hold back connections whose servers should get no calls. Defaults to none. */
  readonly health?: readonly HealthCheck[];
  /**
   * When endpoints whose calls fail are taken out of rotation for a while; `false`: never. Defaults to `{}`. gRPC's
   * outlier detection.
   */
  readonly ejectOutliers?: EjectOutliersOptions | false;
  /**
   * The share of ready connections, from 0 to 1, that health checks and ejection must leave. If they would leave less,
   * they are ignored, and calls go to all that are ready: many servers that look unhealthy are better than a few that
   * are overloaded (Envoy's panic threshold). Defaults to 0.5; 0: never.
   */
  readonly panicShare?: number;
  /** Run once per call, around all its attempts; the connector's interceptors run once per attempt. */
  readonly interceptors?: readonly Interceptor[];
  /** The timeout of calls without one, in milliseconds. Defaults to none, like Connect's transports. */
  readonly defaultTimeoutMs?: number;
  /**
   * How long a call waits for a connection, in milliseconds, unless its own timeout is shorter. A call with a timeout
   * waits until its deadline if it waits for readiness, or for room because the servers that are up have as many calls
   * in flight as they allow (MAX_CONCURRENT_STREAMS). Defaults to 10,000.
   */
  readonly waitTimeoutMs?: number;
  /**
   * Whether calls wait for a connection to become ready instead of failing immediately when every endpoint is failing
   * or there are none. Defaults to false. gRPC's wait-for-ready; a call overrides it with `balance({ waitForReady })`.
   */
  readonly waitForReady?: boolean;
  /**
   * When calls of methods that the schema marks as `IDEMPOTENT` or `NO_SIDE_EFFECTS` (or that `methods` lists) are
   * retried after an answer such as Unavailable, or after the connection was lost with the call in flight; `false`:
   * never. Defaults to `{}`. Attempts that were certainly not processed go to another endpoint in any case.
   */
  readonly retry?: RetryOptions | false;
  /**
   * When a call that takes unusually long is sent to another endpoint as well, whose answer is used if it is first:
   * `hedging()` does so with the slowest 2 % of calls. It applies to methods that the schema marks as `IDEMPOTENT` or
   * `NO_SIDE_EFFECTS` (or that its `methods` lists): to unary calls, and to server streaming until the response headers
   * arrive. Hedges draw on the same budget as retries, too. Defaults to none. For hedges at fixed intervals, see
   * `MethodConfig.hedging`.
   */
  readonly hedge?: Hedging;
  /**
   * Timeouts, wait-for-ready, retries and hedging by method, unless the resolver yields a config (`Resolution.config`). Defaults
   * to none: the options above apply to all methods. gRPC's default service config.
   */
  readonly defaultServiceConfig?: ServiceConfig;
  /**
   * The most calls in flight per endpoint, streams and hedges included. Others go to endpoints that have fewer; if
   * there is none, they fail at once with Unavailable, and are neither retried nor kept waiting. Defaults to Infinity.
   */
  readonly maxInFlightPerEndpoint?: number;
  /**
   * The most calls in flight on all endpoints together; others fail at once with Unavailable. Defaults to Infinity.
   * gRPC: `max_requests` of xDS circuit breakers (A32).
   */
  readonly maxInFlight?: number;
  /**
   * The most calls that wait for a connection: while nothing is known yet, while connections are opening, or for room
   * on servers that have as many calls in flight as they allow. Others fail at once with Unavailable. Defaults to
   * 100,000, which no healthy program reaches; `waitTimeoutMs` says how long they wait.
   */
  readonly maxWaiting?: number;
  /**
   * Which calls are not made at all, for example because servers have recently accepted too few:
   * `adaptiveThrottle()`. They fail at once with Unavailable. Defaults to none: all calls are made.
   */
  readonly throttle?: Throttle;
  /**
   * How long to wait before reconnecting to an endpoint that could not be reached. Each field has its own default: 1 s,
   * growing by a factor of 1.6 to 120 s, with a jitter of 0.2 (gRPC's connection-backoff.md).
   */
  readonly backoff?: Partial<BackoffOptions>;
  /**
   * How long streams may continue on an endpoint that was removed from the set, in milliseconds. Defaults to Infinity;
   * unary calls have 30 s in any case.
   */
  readonly removedStreamGraceMs?: number;
  /**
   * After how long without a call, in milliseconds, resolving stops and connections are closed, until the next call.
   * Defaults to 1,800,000 (30 minutes, as in gRPC); Infinity: never.
   */
  readonly idleTimeoutMs?: number;
  /** Called when the set or a connection changes. Errors it throws are printed and otherwise ignored. */
  readonly onEvent?: (event: BalancerEvent) => void;
  /** Called at the end of every attempt of every call. Errors it throws are printed and otherwise ignored. */
  readonly onAttempt?: (attempt: Attempt) => void;
  /**
   * Called at the beginning and the end of every call, and of every attempt of every call: for spans and metrics. A
   * function among them is called once, and what it returns hears of the transport's events, too.
   * Defaults to none.
   */
  readonly observers?: readonly (CallObserver | TransportObserver)[];
  /**
   * Records what the last calls did, for `explainCall`, pages and tools: `flightRecorder()`. Defaults to none, because it
   * costs about a microsecond per call, as much as a third of the smallest ones.
   */
  readonly recorder?: FlightRecorder;
  /** The source of time. Defaults to the runtime's clock. */
  readonly clock?: Clock;
  /** The source of random numbers in [0, 1). Defaults to `Math.random`. */
  readonly random?: () => number;
}

const jitter = number('a number from 0 to 1, or "full"', (value) => value >= 0 && value <= 1);

/** The checks of `backoff`. */
export const BACKOFF: Checks<BackoffOptions> = {
  initialMs: milliseconds,
  maxMs: milliseconds,
  factor: from1,
  jitter: or("full", jitter),
};

/** A resolver that has this method. A registry doesn't count, although its `list` has the name of a resolver's. */
export function resolverWith(method: "resolve" | "list", expected: string): Check {
  const has = (value: unknown, name: string) => typeof (value as Record<string, unknown> | null)?.[name] === "function";
  const check = makes(expected, (value) => has(value, method));
  return required((name, value) => {
    if (has(value, "resolver") && has(value, "register") && !has(value, "resolve")) {
      throw new TypeError(`option ${name} is a registry: expected registry.resolver(service)`);
    }
    check(name, value);
  });
}

const TAKER = "createBalancedTransport()";

/** The checks of {@link BalancedTransportOptions}. */
export const TRANSPORT: Checks<BalancedTransportOptions> = {
  resolver: resolverWith("resolve", "a resolver, such as registry.resolver(service) or staticResolver([…])"),
  connector: required(makes("a connector, such as grpcConnector() or transportConnector(…)", isFunction)),
  policy: makes("a policy, such as roundRobin()", isFunction),
  health: listOf("an array of health checks, which are functions", isFunction),
  ejectOutliers: fieldsOrFalse(TAKER, EJECT_OUTLIERS),
  panicShare: number("a number from 0 to 1", (value) => value >= 0 && value <= 1),
  interceptors,
  defaultTimeoutMs: milliseconds,
  waitTimeoutMs: milliseconds,
  waitForReady: flag,
  retry: fieldsOrFalse(TAKER, RETRY),
  hedge: makes("hedging, such as hedging()", isFunction),
  defaultServiceConfig: serviceConfig,
  maxInFlightPerEndpoint: or(Infinity, wholeNumber(1)),
  maxInFlight: or(Infinity, wholeNumber(1)),
  maxWaiting: or(Infinity, wholeNumber(1)),
  throttle: makes("a throttle, such as adaptiveThrottle()", isFunction),
  backoff: fields(TAKER, BACKOFF),
  removedStreamGraceMs: milliseconds,
  idleTimeoutMs: milliseconds,
  onEvent: fn("a function, (event) => void"),
  onAttempt: fn("a function, (attempt) => void"),
  observers: listOf("an array of observers, { callStarted } or { attemptStarted }, or functions", isObserver),
  recorder: makes("a flight recorder, flightRecorder()", isRecorder),
  clock,
  random,
};

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function isObserver(value: unknown): boolean {
  if (typeof value === "function") return true;
  const { callStarted, attemptStarted } = (value ?? {}) as Partial<CallObserver>;
  return typeof callStarted === "function" || typeof attemptStarted === "function";
}

function isRecorder(value: unknown): boolean {
  const { calls, callStarted } = (value ?? {}) as Partial<FlightRecorder>;
  return typeof calls === "function" && typeof callStarted === "function";
}
