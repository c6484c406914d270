import { checkEndpoint, type Endpoint } from "../endpoint.ts";
import { quoted } from "../option.ts";
import { Backoff, type BackoffOptions, sleep } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import { PACE_MS } from "../time/pace.ts";
import type { Resolution, Resolver } from "./resolver.ts";

/** The backoff before a resolver that threw or ended is restarted. */
const RESTART: BackoffOptions = { initialMs: 1_000, maxMs: 30_000 };

/** Receives what a consumed resolver yields; its methods must not throw. */
export interface ResolverListener {
  /** Called with each new resolution, fresh or stale. `leftOut`: why an endpoint of it was skipped, if one was. */
  told(resolution: Resolution, leftOut?: Error): void;
  /** An endpoint of a set is invalid, and is skipped. */
  skipped(endpoint: unknown, cause: Error): void;
}

/**
 * Consumes a resolver until `signal` aborts, restarting it with backoff whenever it throws or ends; until it yields
 * again, the last set is reported as stale. Its output is validated: an invalid resolution counts as if it had thrown,
 * and an invalid endpoint is skipped. Never rejects.
 */
export async function watchResolver(
  resolver: Resolver,
  listener: ResolverListener,
  { clock, random, signal }: { clock: Clock; random: () => number; signal: AbortSignal },
): Promise<void> {
  const backoff = new Backoff(RESTART, random);
  const judge = endpointJudge(listener);
  let last: Resolution = { endpoints: undefined };
  while (!signal.aborted) {
    let cause: Error;
    try {
      for await (const resolution of checkIterable(resolver.resolve(signal))) {
        if (signal.aborted) return;
        checkResolution(resolution);
        if (resolution.stale === undefined) backoff.reset();
        let leftOut: Error | undefined;
        const endpoints = resolution.endpoints?.filter((endpoint) => {
          const wrong = judge(endpoint);
          leftOut = wrong ?? leftOut;
          return wrong === undefined;
        });
        last = { ...resolution, endpoints };
        listener.told(last, leftOut);
        // A fast-changing source is read no faster than the pool passes sets on; the newest set waits there.
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

/**
 * The error for a resolver that yields something other than a resolution: a bug in the program, which retrying won't
 * fix.
 */
export class BadResolution extends TypeError {
  override readonly name = "TypeError";
}

/** @throws BadResolution */
function checkIterable(resolutions: AsyncIterable<Resolution>): AsyncIterable<Resolution> {
  if (typeof resolutions === "object" && resolutions !== null && Symbol.asyncIterator in resolutions) {
    return resolutions;
  }
  throw new BadResolution(
    `resolve() of the resolver returned ${
      quoted(resolutions)
    }: expected an AsyncIterable, as of async *resolve(signal)`,
  );
}

/** @throws BadResolution */
function checkResolution(resolution: Resolution): void {
  const wrong = (what: string, value: unknown, expected: string) => {
    return new BadResolution(`the resolver yielded ${what} ${quoted(value)}: expected ${expected}`);
  };
  if (typeof resolution !== "object" || resolution === null || !("endpoints" in resolution)) {
    const without = typeof resolution !== "object" || resolution === null || Array.isArray(resolution)
      ? quoted(resolution)
      : "an object without endpoints";
    throw new BadResolution(`the resolver yielded ${without}: expected { endpoints, stale? }`);
  }
  const { endpoints, stale } = resolution;
  if (endpoints !== undefined && !Array.isArray(endpoints)) throw wrong("endpoints", endpoints, "an array");
  if (stale !== undefined && !(typeof stale?.sinceMs === "number" && stale.cause instanceof Error)) {
    throw wrong("stale", stale, "{ sinceMs, cause }");
  }
}

/** Returns a function that says what is wrong with an invalid endpoint. Each object is checked, and reported, once. */
function endpointJudge({ skipped }: ResolverListener): (endpoint: Endpoint) => Error | undefined {
  const seen = new WeakMap<Endpoint, Error | "good">();
  return (endpoint) => {
    const known = seen.get(endpoint);
    if (known !== undefined) return known === "good" ? undefined : known;
    let wrong: Error | undefined;
    try {
      checkEndpoint(endpoint);
    } catch (error) {
      wrong = error as Error;
      skipped(endpoint, wrong);
    }
    if (typeof endpoint === "object" && endpoint !== null) seen.set(endpoint, wrong ?? "good");
    return wrong;
  };
}
