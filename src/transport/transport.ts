import type { Transport } from "@connectrpc/connect";
import { Balancer } from "../balancer/balancer.ts";
import type { CallEnvironment } from "../call/environment.ts";
import { transportClosed } from "../call/failure.ts";
import { RetryPolicy } from "../call/retry.ts";
import { StreamCall } from "../call/stream-call.ts";
import { UnaryCall } from "../call/unary-call.ts";
import { DEFAULT_CONNECT_BACKOFF } from "../connection/connect-backoff.ts";
import { givenOf } from "../option.ts";
import { roundRobin } from "../policy/round-robin.ts";
import { systemClock } from "../time/clock.ts";
import { connect, type ConnectOptions } from "./connect.ts";
import { interceptedCalls } from "./intercepted.ts";
import { BACKOFF, type BalancedTransportOptions, checkTransportOptions } from "./options.ts";
import { snapshotOf, type TransportSnapshot } from "./snapshot.ts";

/** A Connect transport that balances calls over a service's endpoints. */
export interface BalancedTransport extends Transport, AsyncDisposable {
  /**
   * Resolves and opens connections ahead of the first call; resolves when one is ready. It is optional: the first call
   * does the same.
   *
   * @throws ConnectError with code Unavailable when none is ready within `timeoutMs` (default: `waitTimeoutMs`), with
   * Canceled when `signal` aborts, with FailedPrecondition when the transport is closed. TypeError or RangeError for
   * options of the wrong type or range. (All of these are rejections.)
   */
  connect(options?: ConnectOptions): Promise<void>;
  /** The current state, for health pages and tests. */
  snapshot(): TransportSnapshot;
  /**
   * Stops resolving, fails waiting calls, and closes all connections; calls in flight have `graceMs` (default 0) to
   * finish. Later calls fail with FailedPrecondition. Safe to call twice: a second call may shorten the grace period of
   * the first. Rejects only with a TypeError or RangeError for a `graceMs` that is not a number of at least 0, and then
   * closes nothing.
   */
  close(graceMs?: number): Promise<void>;
}

/**
 * A Connect transport that resolves a service's endpoints, keeps a connection to each, and picks one for every call.
 * Creating it does nothing: it starts with the first call or `connect()`.
 *
 * A call whose attempt was not sent, or was declined by the server, goes to another endpoint; one that may have been
 * processed is retried only if the schema marks the method as idempotent (or without side effects), as configured by
 * `retry`.
 *
 * A timeout of 0 or below means that no time is left: the call fails with DeadlineExceeded without making an attempt.
 *
 * @throws TypeError or RangeError immediately if an option is invalid.
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
    health: options.health ?? [],
    panicShare: options.panicShare ?? 0,
    clock,
    random,
    onEvent,
    backoff: { ...DEFAULT_CONNECT_BACKOFF, ...givenOf(options.backoff ?? {}, Object.keys(BACKOFF)) },
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
    observers: options.observers?.length ? [...options.observers] : undefined,
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
    connect: (connectOptions = {}) => connect(balancer, clock, waitTimeoutMs, connectOptions),
    snapshot: () => snapshotOf(balancer),
    async close(graceMs = 0) {
      checkGrace(graceMs);
      await balancer.close(graceMs);
    },
    [Symbol.asyncDispose]: () => balancer.close(0),
  };
}

/** @throws TypeError or RangeError unless the value is a number of milliseconds of at least 0. */
function checkGrace(graceMs: number): void {
  if (typeof graceMs !== "number" || Number.isNaN(graceMs)) {
    throw new TypeError(`close() takes a number of milliseconds, not ${String(graceMs)}`);
  }
  if (graceMs < 0) throw new RangeError(`close() takes milliseconds from 0, not ${graceMs}`);
}
