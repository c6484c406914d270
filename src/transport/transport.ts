import type { Transport } from "@connectrpc/connect";
import type { BalancerEvent } from "../balancer/event.ts";
import { WatchedBalancer, WatchedSource } from "../balancer/watched.ts";
import type { CallEnvironment } from "../call/environment.ts";
import { makeConnection } from "../connection/make-connection.ts";
import type { FlightRecorder } from "../observe/recorder/flight-recorder.ts";
import { checkOptions } from "../option.ts";
import { checkPolicy } from "../policy/check-policy.ts";
import type { Policy } from "../policy/policy.ts";
import { newClientCounter } from "../snapshot.ts";
import { TIMERS_BELONG_TO_REQUESTS } from "../time/clock.ts";
import { balancerOptions, callEnvironment, callsOf, checkGrace } from "./calls.ts";
import { connect, type ConnectOptions } from "./connect.ts";
import { environments } from "./environment.ts";
import { type BalancedTransportOptions, TRANSPORT } from "./options.ts";
import { snapshotOf, type TransportSnapshot } from "./snapshot.ts";
import { TransportWatches } from "./watches.ts";

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
  /** The option `recorder`: what the last calls did. */
  readonly recorder: FlightRecorder | undefined;
  /**
   * Calls the listener when the set or a connection changes, as `onEvent` of the options, from now on and until the
   * function that it returns is called.
   */
  subscribe(listener: (event: BalancerEvent) => void): () => void;
  /**
   * A transport whose calls are balanced by another policy, over the same connections: for a service's canaries beside
   * its stable servers, or calls that are hashed beside calls that are not. It shares everything else, too: the set of
   * endpoints, their health and ejection, the options and their limits, the budget of retries, the calls that wait.
   *
   * Creating it does nothing, and so does one that makes no calls. A connection stays open as long as one of the
   * policies wants it. Its `close()` fails its later calls and those that wait, closes the connections that only its
   * policy wanted once their calls have ended, and leaves the others alone; closing the transport from
   * `createBalancedTransport` closes all. Make one for each policy, not for each call: every change of the set or of a
   * connection calls the policies of all.
   *
   * @throws TypeError unless it is a policy.
   */
  withPolicy(policy: Policy): BalancedTransport;
  /**
   * Stops resolving, fails waiting calls, and closes all connections; calls in flight have `graceMs` (default 0) to
   * finish. Later calls fail with FailedPrecondition. Safe to call twice: a second call may shorten the grace period of
   * the first. Rejects only with a TypeError or RangeError for a `graceMs` that is not a number of at least 0, and then
   * closes nothing. For a transport from `withPolicy`, see there.
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
  checkOptions("createBalancedTransport()", options, TRANSPORT);
  const { resolver } = options, watches = new TransportWatches(options);
  const balancer = new WatchedBalancer(
    resolver,
    balancerOptions(options, resolver, makeConnection),
    TIMERS_BELONG_TO_REQUESTS,
  );
  const source = new WatchedSource(balancer, balancer.chooser);
  const observers = watches.begin(source, resolver, () => env);
  const env: CallEnvironment = callEnvironment(options, source, observers);
  return transportOver(source, env, options, watches);
}

function transportOver(
  source: WatchedSource,
  env: CallEnvironment,
  options: Pick<BalancedTransportOptions, "interceptors" | "recorder">,
  watches?: TransportWatches,
): BalancedTransport {
  const { balancer } = source, calls = callsOf(env, options.interceptors);
  const transport: BalancedTransport = {
    ...TIMERS_BELONG_TO_REQUESTS ? checkedCalls(calls, balancer) : calls,
    connect: (connectOptions = {}) => connect(source, env.clock, env.waitTimeoutMs, connectOptions),
    snapshot: () => snapshotOf(source, env),
    recorder: options.recorder,
    subscribe: (listener) => balancer.subscribe(listener),
    withPolicy(policy) {
      checkPolicy(policy);
      const other = new WatchedSource(balancer, balancer.chooserOf(policy));
      return transportOver(other, { ...env, balancer: other, calls: newClientCounter() }, options);
    },
    async close(graceMs = 0) {
      checkGrace(graceMs);
      watches?.closing();
      await source.close(graceMs);
    },
    [Symbol.asyncDispose]() {
      return this.close();
    },
  };
  if (!options.interceptors?.length) environments.set(transport, env);
  return transport;
}

/** Calls that notice when the balancer's watch has ended. */
function checkedCalls(calls: Transport, balancer: WatchedBalancer): Transport {
  return {
    unary(method, signal, timeoutMs, header, input, contextValues) {
      balancer.checkWatch();
      return calls.unary(method, signal, timeoutMs, header, input, contextValues);
    },
    stream(method, signal, timeoutMs, header, input, contextValues) {
      balancer.checkWatch();
      return calls.stream(method, signal, timeoutMs, header, input, contextValues);
    },
  };
}
