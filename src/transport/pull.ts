import type { Transport } from "@connectrpc/connect";
import type { BalancerEvent } from "../balancer/event.ts";
import { type ListingResolver, PulledBalancer } from "../balancer/pulled.ts";
import { PulledSource } from "../balancer/pulled-source.ts";
import { type MakeConnection, makeConnection } from "../connection/make-connection.ts";
import type { CallEnvironment } from "../call/environment.ts";
import type { FlightRecorder } from "../observe/recorder/flight-recorder.ts";
import { checkOptions, type Checks, milliseconds, quoted } from "../option.ts";
import { checkPolicy } from "../policy/check-policy.ts";
import type { Policy } from "../policy/policy.ts";
import type { Resolver } from "../resolver/resolver.ts";
import { newClientCounter } from "../snapshot.ts";
import { balancerOptions, callEnvironment, callsOf, checkGrace } from "./calls.ts";
import { type BalancedTransportOptions, resolverWith, TRANSPORT } from "./options.ts";
import { snapshotOf, type TransportSnapshot } from "./snapshot.ts";
import { TransportWatches } from "./watches.ts";

/** Options of {@link createPullTransport}. */
export interface PullTransportOptions extends Omit<BalancedTransportOptions, "resolver"> {
  /** Where the endpoints come from. It must have `list()`, as the resolvers of this library have. */
  readonly resolver: Resolver | ListingResolver;
  /**
   * How old the set may be, in milliseconds, before a call has it read again; Infinity: any age. A connection that
   * fails has it read again sooner, but not within a second. Defaults to 5,000: a server that has left or joined is
   * known about as soon as its registration's TTL makes it known, and the registry is asked at most every 5 s.
   */
  readonly maxAgeMs?: number;
}

/** A request's context, such as a Worker's `ctx`. */
export interface RequestContext {
  /** Keeps the request alive until the promise settles, after its response. */
  waitUntil(promise: Promise<unknown>): void;
}

/** A Connect transport that balances calls over endpoints that are resolved when calls need them. */
export interface PullTransport extends Transport, AsyncDisposable {
  /**
   * The transport for one request: its calls use a set that is older than `maxAgeMs`, while it is read again through
   * `ctx.waitUntil`. Only while nothing is known, or every endpoint of the old set is failing, do they wait.
   *
   * @throws TypeError unless `ctx` has `waitUntil`.
   */
  forRequest(ctx: RequestContext): Transport;
  /** The current state, as of the last call. */
  snapshot(): TransportSnapshot;
  /** The option `recorder`: what the last calls did. */
  readonly recorder: FlightRecorder | undefined;
  /**
   * Calls the listener when the set or a connection changes, as `onEvent` of the options, from now on and until the
   * function that it returns is called.
   */
  subscribe(listener: (event: BalancerEvent) => void): () => void;
  /**
   * A transport whose calls are balanced by another policy, over the same connections; see
   * `BalancedTransport.withPolicy`. Make it once, like the transport itself, and not for each request.
   *
   * @throws TypeError unless it is a policy.
   */
  withPolicy(policy: Policy): PullTransport;
  /**
   * Fails waiting calls, and closes all connections; calls in flight have `graceMs` (default 0) to finish. Later calls
   * fail with FailedPrecondition. There is no need to close a transport that holds no connections, as over fetch.
   * Rejects only with a TypeError or RangeError for a `graceMs` that is not a number of at least 0.
   */
  close(graceMs?: number): Promise<void>;
}

/** The checks of {@link PullTransportOptions}. */
export const PULL: Checks<PullTransportOptions> = {
  ...TRANSPORT,
  resolver: resolverWith(
    "list",
    "a resolver with list(), such as registry.resolver(service), staticResolver([…]) or pollingResolver({…})",
  ),
  maxAgeMs: milliseconds,
};

/**
 * A Connect transport that reads a service's endpoints when a call needs them, instead of watching them: for Workers,
 * functions and other places where a program does nothing between requests. Calls are picked, retried and observed as
 * by `createBalancedTransport`.
 *
 * It may be created once, in global scope, and be used by all requests: it does nothing then, and nothing between
 * calls. Requests share the set, the statistics and the states of the connections, but no timer, promise or signal. A
 * call that finds the set older than `maxAgeMs` waits for a new one, at most half a second if it could also use the old
 * one; calls of `forRequest(ctx)` use that at once. While the registry can't be reached, the last set stays in use, marked as
 * stale, and is read again after a backoff.
 *
 * After `idleTimeoutMs` without a call the set is forgotten, and the next call waits for a new one.
 *
 * @throws TypeError or RangeError immediately if an option is invalid, or the resolver has no `list()`.
 */
export function createPullTransport(options: PullTransportOptions): PullTransport {
  checkOptions("createPullTransport()", options, PULL);
  return pullTransport(options, makeConnection);
}

/** {@link createPullTransport} for options that are checked, and for the connections that its connector needs. */
export function pullTransport(options: PullTransportOptions, makeConnection: MakeConnection): PullTransport {
  const { maxAgeMs = 5_000 } = options, resolver = options.resolver as ListingResolver;
  const watches = new TransportWatches(options);
  const balancer = new PulledBalancer(resolver, maxAgeMs, balancerOptions(options, resolver, makeConnection));
  const source = new PulledSource(balancer, balancer.chooser);
  const observers = watches.begin(source, resolver, () => env);
  const env: CallEnvironment = callEnvironment(options, source, observers);
  return transportOver(source, env, options, watches);
}

function transportOver(
  source: PulledSource,
  env: CallEnvironment,
  options: Pick<BalancedTransportOptions, "interceptors" | "recorder">,
  watches?: TransportWatches,
): PullTransport {
  const { balancer, chooser } = source, { interceptors, recorder } = options;
  return {
    ...callsOf(env, interceptors),
    forRequest(ctx) {
      if (typeof ctx?.waitUntil !== "function") {
        throw new TypeError(`forRequest() takes a request's context, { waitUntil(promise) }, not ${quoted(ctx)}`);
      }
      const own = new PulledSource(balancer, chooser, (promise) => ctx.waitUntil(promise));
      return callsOf({ ...env, balancer: own }, interceptors);
    },
    snapshot: () => snapshotOf(source, env),
    recorder,
    withPolicy(policy) {
      checkPolicy(policy);
      const other = new PulledSource(balancer, balancer.chooserOf(policy));
      return transportOver(other, { ...env, balancer: other, calls: newClientCounter() }, options);
    },
    subscribe: (listener) => balancer.subscribe(listener),
    async close(graceMs = 0) {
      checkGrace(graceMs);
      watches?.closing();
      await source.close(graceMs);
    },
    [Symbol.asyncDispose]() {
      return this.close();
    },
  };
}
