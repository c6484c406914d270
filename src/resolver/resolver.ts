/**
 * A resolver says which endpoints serve a service, now and each time that changes. It is the first extension point:
 * everything after it (pool, policy, calls) knows endpoints only from what a resolver yields.
 *
 * To write one: yield the **full** set from `resolve`, again at each change, until the signal aborts. There is no need
 * to compare sets, to retry or to limit the rate: the consumer (`watch.ts`) reconciles sets, restarts a resolver that
 * throws, with backoff, keeps the last set in the meantime, and reads no faster than it can use. For a source that can
 * only be read, not watched, write a `poll` function for {@link pollingResolver} (`polling.ts`; `node/dns/resolver.ts`
 * is the example). A source that pushes changes passes them to its consumers through a `LatestValue`
 * (`latest-value.ts`; `registry/memory.ts` is the example). The smallest resolver is `static.ts`. A decorator takes a
 * resolver and yields transformed sets.
 *
 * @module
 */
import type { Endpoint } from "../endpoint.ts";
import type { ServiceConfig } from "./service-config.ts";

/** What is known about a service's endpoints at one moment. */
export interface Resolution {
  /** The full set. Undefined: nothing is known yet; see `stale` for why. */
  readonly endpoints: readonly Endpoint[] | undefined;
  /**
   * Set while the source can't be reached: the endpoints are the last known ones. `sinceMs` is when that began, on the
   * monotonic scale of the clock; `cause` is what happened.
   */
  readonly stale?: Staleness;
  /**
   * What the source says about the service's calls, as of now: undefined if it says nothing, or no longer; an Error if
   * what it says can't be read. An invalid config is skipped and reported (the event `config-skipped`), and the last
   * valid one stays in use.
   */
  readonly config?: ServiceConfig | Error | undefined;
}

/** Since when and why a set is not fresh. */
export interface Staleness {
  /** When it began, in milliseconds on the clock's monotonic scale. */
  readonly sinceMs: number;
  /** What happened. */
  readonly cause: Error;
}

/** Yields the full set of endpoints each time it changes. */
export interface Resolver {
  /** What it resolves, for error messages: usually the service's name. */
  readonly target?: string;
  /** What kind of name that is, as gRPC's target URIs have it: `etcd`, `dns`. For metrics and traces. */
  readonly scheme?: string;
  /**
   * Resolves until `signal` aborts. Each `next()` yields the newest resolution at that moment: there is one slot per
   * consumer, and the latest value wins. When it throws or ends, the consumer marks its set stale and restarts it with
   * backoff.
   */
  resolve(signal: AbortSignal): AsyncIterable<Resolution>;
  /** Reads the set once, for callers that can't watch. Rejects when the source can't be read. */
  list?(signal: AbortSignal): Promise<Resolution>;
  /** A hint that the set may be out of date (a connection failed); the resolver may resolve again, at its own pace. */
  refresh?(): void;
}
