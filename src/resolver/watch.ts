import { asError } from "../error-text.ts";
import { Backoff, sleep } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import { PACE_MS } from "../time/pace.ts";
import { checkIterable, type ReadListener, resolutionReader } from "./read.ts";
import type { Resolution, Resolver } from "./resolver.ts";
import { RESOLVER_BACKOFF } from "./resolver-backoff.ts";

/** Receives what a consumed resolver yields; its methods must not throw. */
export interface ResolverListener extends ReadListener {
  /** Called with each new resolution, fresh or stale. `leftOut`: why an endpoint of it was skipped, if one was. */
  resolved(resolution: Resolution, leftOut?: Error): void;
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
  const backoff = new Backoff(RESOLVER_BACKOFF, random);
  const read = resolutionReader(listener);
  let last: Resolution = { endpoints: undefined };
  while (!signal.aborted) {
    let cause: Error;
    try {
      for await (const resolution of checkIterable(resolver.resolve(signal))) {
        if (signal.aborted) return;
        const usable = read(resolution);
        if (resolution.stale === undefined) backoff.reset();
        last = usable.resolution;
        listener.resolved(last, usable.leftOut);
        // A fast-changing source is read no faster than the pool passes sets on; the newest set waits there.
        await sleep(clock, PACE_MS, signal);
      }
      cause = new Error("the resolver ended");
    } catch (error) {
      cause = asError(error);
    }
    if (signal.aborted) return;
    last = { ...last, stale: { sinceMs: last.stale?.sinceMs ?? clock.now(), cause } };
    listener.resolved(last);
    await sleep(clock, backoff.next(), signal);
  }
}
