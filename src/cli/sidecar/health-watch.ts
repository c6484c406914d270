import { Backoff, sleep } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import type { Probe } from "./probe.ts";

/** Hears of a server's health. */
export interface HealthListener {
  /** It has become healthy. */
  healthy(): void;
  /** It is not healthy any more, or has not been for a while; called again when the reason changes. */
  unhealthy(reason: string): void;
}

/** The pause after a failed probe, in milliseconds; it grows up to the interval. */
const RETRY_MS = 200;
/** How long a server that starts may take before that is worth a word, in milliseconds. */
const START_MS = 5_000;
/** So many failed probes in a row make a server unhealthy; one that has just been started needs some time, too. */
const MOST_FAILURES = 3;

/** When a server is probed. */
export interface HealthTiming {
  /** The pause after a successful probe, in milliseconds. */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * Probes a server until `signal` aborts. It is healthy after one successful probe, and no longer after three failed ones
 * in a row, which follow each other quickly; of one that was never healthy, that is said after 5 s. Never rejects.
 */
export async function watchHealth(
  probe: Probe,
  { intervalMs, clock, random }: HealthTiming,
  listener: HealthListener,
  signal: AbortSignal,
): Promise<void> {
  const retry = new Backoff({ initialMs: Math.min(RETRY_MS, intervalMs), maxMs: intervalMs }, random);
  const quietUntilMs = clock.now() + START_MS;
  let healthy = false, known = false, failures = 0, said: string | undefined;
  while (!signal.aborted) {
    const reason = await probe(signal);
    if (signal.aborted) return;
    if (reason === undefined) {
      failures = 0;
      said = undefined;
      retry.reset();
      if (!healthy) listener.healthy();
      healthy = known = true;
    } else if (++failures >= MOST_FAILURES) {
      healthy = false;
      if (reason !== said && (known || clock.now() >= quietUntilMs)) listener.unhealthy(said = reason);
    }
    await sleep(clock, reason === undefined ? intervalMs : retry.next(), signal, true);
  }
}
