import { asError } from "../error-text.ts";
import type { ServiceConfigSource, ServiceConfigText } from "../resolver/config-source.ts";
import { RESOLVER_BACKOFF } from "../resolver/resolver-backoff.ts";
import { Backoff, sleep } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import { PACE_MS } from "../time/pace.ts";

/**
 * Consumes a source until `signal` aborts, and begins again with backoff whenever it throws or ends, which is reported
 * once, as an Error. Never rejects.
 */
export async function watchConfig(
  source: ServiceConfigSource,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  onText: (text: ServiceConfigText) => void,
): Promise<void> {
  const backoff = new Backoff(RESOLVER_BACKOFF, Math.random);
  let failed = false;
  while (!signal.aborted) {
    let cause: Error;
    try {
      for await (const text of source.watch(signal)) {
        if (signal.aborted) return;
        failed = false;
        backoff.reset();
        onText(text);
        await sleep(clock, PACE_MS, signal);
      }
      cause = new Error("its source ended");
    } catch (error) {
      cause = asError(error);
    }
    if (signal.aborted) return;
    if (!failed) onText(new Error(`the service config can't be read: ${cause.message}`, { cause }));
    failed = true;
    await sleep(clock, backoff.next(), signal);
  }
}
