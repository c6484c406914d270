import type { Interceptor, Transport } from "@connectrpc/connect";
import { DEFAULT_CONNECT_BACKOFF } from "../connection/connection-host.ts";
import type { Connector } from "../connection/link.ts";
import type { ConnectivityState } from "../connectivity.ts";
import type { Endpoint } from "../endpoint.ts";
import type { BalancerEvent } from "../event.ts";
import type { Policy } from "../policy/policy.ts";
import { roundRobin } from "../policy/round-robin.ts";
import type { Resolver, Staleness } from "../resolver/resolver.ts";
import type { BackoffOptions } from "../time/backoff.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { Balancer } from "./balancer.ts";
import type { CallEnvironment } from "./environment.ts";
import { checkGrace, checkTransportOptions } from "./check-options.ts";
import { transportClosed } from "./explain.ts";
import { interceptedCalls } from "./intercepted.ts";
import type { Attempt } from "./options.ts";
import { type RetryOptions, RetryPolicy } from "./retry.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";
import { type ConnectOptions, waitUntilReady } from "./wait-until-ready.ts";

/** Options of {@link createBalancedTransport}. */
export interface BalancedTransportOptions {
  /** Where the endpoints come from: a registry's `resolver(service)`, or `staticResolver([…])`. */
  readonly resolver: Resolver;
  /** What opens a link to an endpoint: `grpcConnector()` of `connect-lb/node`, or `transportConnector(…)`. */
  readonly connector: Connector;
  /** How a connection is chosen for each call. Defaults to `roundRobin()`. */
  readonly policy?: Policy;
  /** Run once per call, around all its attempts; the connector's own run once per attempt. */
  readonly interceptors?: readonly Interceptor[];
  /** The timeout of calls that bring none, in milliseconds. Defaults to none, like Connect's transports. */
  readonly defaultTimeoutMs?: number;
  /**
   * How long a call waits for a connection, in milliseconds, unless its own timeout is shorter. A call that waits for
   * readiness and has a timeout waits as long as that, and so does one that waits for room, because servers that are
   * there have as many calls in flight as they allow (MAX_CONCURRENT_STREAMS). Defaults to 10,000.
   */
  readonly waitTimeoutMs?: number;
  /**
   * Whether calls wait for a connection to become ready instead of failing at once when every endpoint is failing or
   * there is none. Defaults to false. gRPC's wait-for-ready; a call can say otherwise with `balance({ waitForReady })`.
   */
  readonly waitForReady?: boolean;
  /**
   * When calls of methods that the schema marks as `IDEMPOTENT` or `NO_SIDE_EFFECTS` (or that `methods` lists) are made
   * again after an answer like Unavailable, or after a connection was lost with the call in flight; `false`: never.
   * Defaults to `{}`. Attempts that were surely not processed go to another endpoint in any case.
   */
  readonly retry?: RetryOptions | false;
  /**
   * How long to wait before an endpoint that could not be reached is tried again. Defaults, each for itself, to 1 s,
   * growing by 1.6 to 120 s, with a jitter of 0.2 (gRPC's connection-backoff.md).
   */
  readonly backoff?: Partial<BackoffOptions>;
  /**
   * How long streams may go on at an endpoint that left the set, in milliseconds. Defaults to Infinity; unary calls have
   * 30 s in any case.
   */
  readonly removedStreamGraceMs?: number;
  /**
   * After how long without a call, in milliseconds, resolving stops and connections are closed, until the next call.
   * Defaults to 1,800,000 (30 minutes, as in gRPC); Infinity: never.
   */
  readonly idleTimeoutMs?: number;
  /** Hears of changes of the set and of connections. What it throws is printed and does no harm. */
  readonly onEvent?: (event: BalancerEvent) => void;
  /** Hears of every attempt of every call when it has ended. What it throws is printed and does no harm. */
  readonly onAttempt?: (attempt: Attempt) => void;
  /** Where time comes from. Defaults to the runtime's. */
  readonly clock?: Clock;
  /** Where chance comes from: numbers from 0 up to, but not including, 1. Defaults to `Math.random`. */
  readonly random?: () => number;
}

/** A Connect transport that gives each call to one of a service's endpoints. */
export interface BalancedTransport extends Transport, AsyncDisposable {
  /**
   * Resolves and opens connections ahead of the first call; resolves when one is ready. It is optional: the first call
   * does the same.
   *
   * @throws ConnectError with code Unavailable when none is ready within `timeoutMs` (default: `waitTimeoutMs`), with
   * Canceled when `signal` aborts, with FailedPrecondition when the transport is closed. TypeError or RangeError for
   * options of the wrong type or range. (It rejects with these.)
   */
  connect(options?: ConnectOptions): Promise<void>;
  /** What is known at this moment, for health pages and tests. */
  snapshot(): TransportSnapshot;
  /**
   * Stops resolving, fails the calls that wait, and closes all connections; calls in flight may finish for `graceMs`
   * (default 0). Later calls fail with FailedPrecondition. Safe to call twice: a second call may shorten the time of the
   * first. Never rejects but with a TypeError or RangeError for a `graceMs` that is no number from 0, and then closes
   * nothing.
   */
  close(graceMs?: number): Promise<void>;
}

/** A transport at one moment. */
export interface TransportSnapshot {
  /** What is resolved: usually the service's name. */
  readonly target: string;
  /** In address order. Undefined while nothing is known. */
  readonly endpoints: readonly EndpointSnapshot[] | undefined;
  /** Set while the source of endpoints can't be reached. */
  readonly stale: Staleness | undefined;
  /** How many calls wait for a connection, or before their next attempt. */
  readonly waiting: number;
}

/** A connection at one moment. */
export interface EndpointSnapshot {
  readonly endpoint: Endpoint;
  readonly state: ConnectivityState;
  /** Whether a picker may give it a call. */
  readonly available: boolean;
  /** Attempts that have begun and not ended. */
  readonly inFlight: number;
  /** Attempts ever begun. */
  readonly picks: number;
  /** The newest reason why it could not be opened or was lost. */
  readonly lastError: Error | undefined;
}

/**
 * A Connect transport that resolves a service's endpoints, keeps a connection to each, and picks one for every call.
 * Creating it does nothing: it begins with the first call or `connect()`.
 *
 * A call whose attempt was not sent, or was declined by the server, goes to another endpoint; one that may have been
 * processed is made again only where the schema marks the method as idempotent (or without side effects), as `retry` says.
 *
 * A timeout of 0 or below means that no time is left: the call fails with DeadlineExceeded and makes no attempt.
 *
 * @throws TypeError or RangeError at once for options that are none.
 */
export function createBalancedTransport(options: BalancedTransportOptions): BalancedTransport {
  checkTransportOptions(options);
  const { clock = systemClock, random = Math.random, interceptors = [], waitTimeoutMs = 10_000 } = options;
  const { resolver, connector, policy = roundRobin(), onEvent } = options;
  const { removedStreamGraceMs, idleTimeoutMs = 1_800_000 } = options;
  const balancer = new Balancer({
    resolver,
    connector,
    policy,
    clock,
    random,
    onEvent,
    backoff: {
      ...options.backoff,
      initialMs: options.backoff?.initialMs ?? DEFAULT_CONNECT_BACKOFF.initialMs,
      maxMs: options.backoff?.maxMs ?? DEFAULT_CONNECT_BACKOFF.maxMs,
    },
    removedStreamGraceMs,
    idleTimeoutMs,
  });
  const env: CallEnvironment = {
    balancer,
    clock,
    random,
    defaultTimeoutMs: options.defaultTimeoutMs,
    waitTimeoutMs,
    waitForReady: options.waitForReady ?? false,
    onAttempt: options.onAttempt,
    retry: options.retry === false ? undefined : new RetryPolicy(options.retry ?? {}, random),
  };
  const intercepted = interceptors.length === 0 ? undefined : interceptedCalls(env, [...interceptors]);

  return {
    unary(method, signal, timeoutMs, header, input, contextValues) {
      try {
        if (balancer.closed) throw transportClosed();
        if (intercepted !== undefined) {
          return intercepted.unary(method, signal, timeoutMs, header, input, contextValues);
        }
        return new UnaryCall(env, method, signal, timeoutMs, header, input, contextValues).start();
      } catch (error) {
        return Promise.reject(error);
      }
    },
    stream(method, signal, timeoutMs, header, input, contextValues) {
      try {
        if (balancer.closed) throw transportClosed();
        if (intercepted !== undefined) {
          return intercepted.stream(method, signal, timeoutMs, header, input, contextValues);
        }
        return new StreamCall(env, method, signal, timeoutMs, header, input, contextValues).start();
      } catch (error) {
        return Promise.reject(error);
      }
    },
    connect: (connectOptions = {}) => waitUntilReady(env, connectOptions),
    snapshot: () => ({
      target: balancer.target,
      endpoints: balancer.knowledge === "unknown" ? undefined : balancer.pool.connections.map((connection) => ({
        endpoint: connection.endpoint,
        state: connection.state,
        available: connection.available,
        inFlight: connection.inFlight,
        picks: connection.picks,
        lastError: connection.lastError,
      })),
      stale: balancer.stale,
      waiting: balancer.waiting,
    }),
    async close(graceMs = 0) {
      checkGrace(graceMs);
      await balancer.close(graceMs);
    },
    [Symbol.asyncDispose]: () => balancer.close(0),
  };
}
