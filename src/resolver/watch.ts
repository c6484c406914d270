import { Backoff, type BackoffOptions, sleep } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import type { Resolution, Resolver } from "./resolver.ts";

/** As fast as the pool tells changes on. */
const PACE_MS = 20;

/** How soon a resolver that threw or ended is started again. */
const RESTART: BackoffOptions = { initialMs: 1_000, maxMs: 30_000 };

/**
 * Consumes a resolver until `signal` aborts, starting it again with back-off whenever it throws or ends; until it
 * yields again, the last set is told as stale. Never rejects.
 */
export async function watchResolver(
  resolver: Resolver,
  tell: (resolution: Resolution) => void,
  { clock, random, signal }: { clock: Clock; random: () => number; signal: AbortSignal },
): Promise<void> {
  const backoff = new Backoff(RESTART, random);
  let last: Resolution = { endpoints: undefined };
  while (!signal.aborted) {
    let cause: Error;
    try {
      for await (const resolution of resolver.resolve(signal)) {
        if (signal.aborted) return;
        if (resolution.stale === undefined) backoff.reset();
        last = resolution;
        tell(resolution);
        // A source that changes fast is read no faster than the pool tells it on; the newest set waits there.
        await sleep(clock, PACE_MS, signal);
      }
      cause = new Error("the resolver ended");
    } catch (error) {
      cause = error instanceof Error ? error : new Error(String(error));
    }
    if (signal.aborted) return;
    const stale = { sinceMs: last.stale?.sinceMs ?? clock.now(), cause };
    last = last.endpoints === undefined ? { endpoints: undefined, stale } : { endpoints: last.endpoints, stale };
    tell(last);
    await sleep(clock, backoff.next(), signal);
  }
}
