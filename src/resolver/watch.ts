import { checkEndpoint, type Endpoint } from "../endpoint.ts";
import { Backoff, type BackoffOptions, sleep } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import type { Resolution, Resolver } from "./resolver.ts";

/** As fast as the pool tells changes on. */
const PACE_MS = 20;

/** How soon a resolver that threw or ended is started again. */
const RESTART: BackoffOptions = { initialMs: 1_000, maxMs: 30_000 };

/** Whom a consumed resolver is told to; neither method may throw. */
export interface ResolverListener {
  /** The newest set, or that it is stale. */
  told(resolution: Resolution): void;
  /** An endpoint of a set is none, and is left out. */
  skipped(endpoint: unknown, cause: Error): void;
}

/**
 * Consumes a resolver until `signal` aborts, starting it again with back-off whenever it throws or ends; until it
 * yields again, the last set is told as stale. What it yields is checked: a resolution that is none counts as if it had
 * thrown, an endpoint that is none is left out. Never rejects.
 */
export async function watchResolver(
  resolver: Resolver,
  listener: ResolverListener,
  { clock, random, signal }: { clock: Clock; random: () => number; signal: AbortSignal },
): Promise<void> {
  const backoff = new Backoff(RESTART, random);
  const good = endpointFilter(listener);
  let last: Resolution = { endpoints: undefined };
  while (!signal.aborted) {
    let cause: Error;
    try {
      for await (const resolution of resolver.resolve(signal)) {
        if (signal.aborted) return;
        checkResolution(resolution);
        if (resolution.stale === undefined) backoff.reset();
        last = { ...resolution, endpoints: resolution.endpoints?.filter(good) };
        listener.told(last);
        // A source that changes fast is read no faster than the pool tells it on; the newest set waits there.
        await sleep(clock, PACE_MS, signal);
      }
      cause = new Error("the resolver ended");
    } catch (error) {
      cause = error instanceof Error ? error : new Error(String(error));
    }
    if (signal.aborted) return;
    last = { endpoints: last.endpoints, stale: { sinceMs: last.stale?.sinceMs ?? clock.now(), cause } };
    listener.told(last);
    await sleep(clock, backoff.next(), signal);
  }
}

function checkResolution(resolution: Resolution): void {
  const wrong = (what: string, value: unknown, expected: string) => {
    return new TypeError(`the resolver yielded ${what}${String(value)}: expected ${expected}`);
  };
  if (typeof resolution !== "object" || resolution === null) throw wrong("", resolution, "{ endpoints, stale? }");
  const { endpoints, stale } = resolution;
  if (endpoints !== undefined && !Array.isArray(endpoints)) throw wrong("endpoints ", endpoints, "an array");
  if (stale !== undefined && !(typeof stale?.sinceMs === "number" && stale.cause instanceof Error)) {
    throw wrong("stale ", stale, "{ sinceMs, cause }");
  }
}

/** Tells endpoints from what is none. Each object is looked at, and reported, once. */
function endpointFilter({ skipped }: ResolverListener): (endpoint: Endpoint) => boolean {
  const seen = new WeakMap<Endpoint, boolean>();
  return (endpoint) => {
    const known = seen.get(endpoint);
    if (known !== undefined) return known;
    let good = true;
    try {
      checkEndpoint(endpoint);
    } catch (error) {
      good = false;
      skipped(endpoint, error as Error);
    }
    if (typeof endpoint === "object" && endpoint !== null) seen.set(endpoint, good);
    return good;
  };
}
