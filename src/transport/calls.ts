import type { Interceptor, Transport } from "@connectrpc/connect";
import type { BalancerOptions } from "../balancer/balancer.ts";
import type { PickerSource } from "../balancer/picker-source.ts";
import type { CallEnvironment } from "../call/environment.ts";
import { GuardedThrottle } from "../call/guarded-throttle.ts";
import { Meter } from "../call/meter.ts";
import type { CallObserver } from "../call/observer.ts";
import { Settings } from "../call/settings.ts";
import { StreamCall } from "../call/stream-call.ts";
import { UnaryCall } from "../call/unary-call.ts";
import { DEFAULT_CONNECT_BACKOFF } from "../connection/connect-backoff.ts";
import { inFlightLimit } from "../connection/in-flight-limit.ts";
import type { MakeConnection } from "../connection/make-connection.ts";
import { ejectOutliers } from "../health/outliers.ts";
import { givenOf } from "../option.ts";
import { defaultPolicy } from "../policy/default-policy.ts";
import type { Resolver } from "../resolver/resolver.ts";
import { newClientCounter } from "../snapshot.ts";
import { systemClock } from "../time/clock.ts";
import { interceptedCalls } from "./intercepted.ts";
import { BACKOFF, type BalancedTransportOptions } from "./options.ts";

type CallOptions = Omit<BalancedTransportOptions, "resolver" | "observers">;

/** The options of a transport's balancer, with their defaults. */
export function balancerOptions(
  options: CallOptions,
  { target, scheme }: Pick<Resolver, "target" | "scheme">,
  makeConnection: MakeConnection,
): BalancerOptions {
  return {
    target,
    scheme,
    connector: options.connector,
    makeConnection,
    policy: options.policy ?? options.defaultServiceConfig?.policy ?? defaultPolicy(),
    checks: options.ejectOutliers === false
      ? options.health ?? []
      : [...options.health ?? [], ejectOutliers(options.ejectOutliers)],
    panicShare: options.panicShare ?? 0.5,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    onEvent: options.onEvent,
    backoff: { ...DEFAULT_CONNECT_BACKOFF, ...givenOf(options.backoff ?? {}, Object.keys(BACKOFF)) },
    removedStreamGraceMs: options.removedStreamGraceMs,
    limit: inFlightLimit(options.maxInFlightPerEndpoint, options.maxInFlight),
    idleTimeoutMs: options.idleTimeoutMs ?? 1_800_000,
  };
}

/** What the calls of a transport share, with the defaults of its options. */
export function callEnvironment(
  options: CallOptions,
  balancer: PickerSource,
  observers: readonly CallObserver[],
): CallEnvironment {
  const { clock = systemClock, random = Math.random, recorder } = options;
  const all = recorder === undefined ? observers : [...observers, recorder];
  const callObservers = having(all, "callStarted");
  return {
    balancer,
    clock,
    random,
    waitTimeoutMs: options.waitTimeoutMs ?? 10_000,
    maxWaiting: options.maxWaiting ?? 100_000,
    throttle: options.throttle && new GuardedThrottle(options.throttle({ now: () => clock.now(), random })),
    settings: new Settings({ ...options, clock, random }),
    onAttempt: options.onAttempt,
    observers: having(all, "attemptStarted"),
    callObservers,
    meter: callObservers?.length === 1 && callObservers[0] instanceof Meter ? callObservers[0] : undefined,
    calls: newClientCounter(),
  };
}

/** Those of the observers that have a method; undefined if none does. */
function having(observers: readonly CallObserver[], method: keyof CallObserver): CallEnvironment["observers"] {
  const found = observers.filter((observer) => typeof observer[method] === "function");
  return found.length === 0 ? undefined : found;
}

/** Starts calls: the Transport that balancing transports have in common. */
export function callsOf(env: CallEnvironment, interceptors: readonly Interceptor[] = []): Transport {
  const intercepted = interceptors.length === 0 ? undefined : interceptedCalls(env, [...interceptors]);
  const OneCall = env.meter?.unaryCall ?? UnaryCall;
  return {
    unary(method, signal, timeoutMs, header, input, contextValues) {
      try {
        if (intercepted !== undefined) {
          return intercepted.unary(method, signal, timeoutMs, header, input, contextValues);
        }
        return new OneCall(env, method, signal, timeoutMs, header, input, contextValues).start();
      } catch (error) {
        return Promise.reject(error);
      }
    },
    stream(method, signal, timeoutMs, header, input, contextValues) {
      try {
        if (intercepted !== undefined) {
          return forLater(intercepted.stream(method, signal, timeoutMs, header, input, contextValues));
        }
        return forLater(new StreamCall(env, method, signal, timeoutMs, header, input, contextValues).start());
      } catch (error) {
        return forLater(Promise.reject(error));
      }
    },
  };
}

/**
 * Connect's client waits for a stream's response once it is read. If that fails before, the reader still learns of it,
 * and the process must not end because nobody has handled the failure yet.
 */
function forLater<T>(response: Promise<T>): Promise<T> {
  response.catch(() => {});
  return response;
}

/** @throws TypeError or RangeError unless the value is a number of milliseconds of at least 0. */
export function checkGrace(graceMs: number): void {
  if (typeof graceMs !== "number" || Number.isNaN(graceMs)) {
    throw new TypeError(`close() takes a number of milliseconds, not ${String(graceMs)}`);
  }
  if (graceMs < 0) throw new RangeError(`close() takes milliseconds from 0, not ${graceMs}`);
}
