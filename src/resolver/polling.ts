import { type Endpoint, endpointIdentity } from "../endpoint.ts";
import {
  checkOptions,
  type Checks,
  clock as aClock,
  fn,
  milliseconds,
  quoted,
  random as aRandom,
  required,
  text,
  time,
  wrongOption,
} from "../option.ts";
import { Backoff, sleep } from "../time/backoff.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { untilAborted } from "../time/until-aborted.ts";
import { LatestValue } from "./latest-value.ts";
import type { Resolution, Resolver } from "./resolver.ts";

/**
 * A resolver of a source that can be read but not watched: DNS, an HTTP API, a file. `poll` reads the full set; the
 * rest is shared by all such resolvers. The source is polled while the resolver has consumers, once for all of them,
 * and before the interval has passed if a connection fails. While polls fail, the last set stays in use, marked as
 * stale. `node/dns/resolver.ts` is the example.
 *
 * ```ts
 * import { pollingResolver } from "connect-lb";
 *
 * const resolver = pollingResolver({
 *   target: "my_service",
 *   async poll(signal) {
 *     const response = await fetch("http://10.0.0.1/my_service/servers", { signal });
 *     if (!response.ok) throw new Error(`HTTP ${response.status}`);
 *     const addresses = (await response.json()) as string[];
 *     return { endpoints: addresses.map((address) => ({ address })) };
 *   },
 * });
 * ```
 *
 * @throws TypeError or RangeError for an invalid option; the message names it.
 */
export function pollingResolver(options: PollingResolverOptions): Resolver {
  checkOptions("pollingResolver()", options, OPTIONS);
  const { target, poll, intervalMs = 30_000, minIntervalMs = 5_000, timeoutMs = 10_000 } = options;
  const { label = `the poll of ${target}`, clock = systemClock, random = Math.random } = options;
  if (intervalMs < minIntervalMs) {
    throw wrongOption("intervalMs", intervalMs, `milliseconds, at least minIntervalMs (${minIntervalMs})`, RangeError);
  }
  const source = new PolledSource({ target, poll, intervalMs, minIntervalMs, timeoutMs, label, clock, random });
  return {
    target,
    resolve: (signal) => source.resolve(signal),
    list: (signal) => source.poll(signal),
    refresh: () => source.refresh(),
  };
}

/** Options of {@link pollingResolver}. */
export interface PollingResolverOptions {
  /** What it resolves, for error messages: usually the service's name. */
  readonly target: string;
  /**
   * Reads the full set once; rejects when it can't. `signal` aborts after `timeoutMs`, or when the last consumer has
   * left. The order of the endpoints doesn't matter, duplicates count once, and consumers are only notified of a set
   * that differs from the last one, compared as JSON.
   */
  poll(signal: AbortSignal): Promise<PolledSet>;
  /** How often the source is polled, in milliseconds. At least `minIntervalMs`; defaults to 30,000. */
  readonly intervalMs?: number;
  /**
   * The minimum time between the starts of two polls, in milliseconds, whatever requests them. Defaults to 5,000. While
   * polls fail, the time between them grows from this to `intervalMs`. gRPC:
   * `grpc.dns_min_time_between_resolutions_ms`.
   */
  readonly minIntervalMs?: number;
  /** How long a poll may take before it counts as failed, in milliseconds. Defaults to 10,000. */
  readonly timeoutMs?: number;
  /** What a poll is called in errors, such as `the DNS lookup of api.example.com`. Defaults to `the poll of <target>`. */
  readonly label?: string;
  /** Defaults to the runtime's. */
  readonly clock?: Clock;
  /** Returns a random number in [0, 1), for the jitter of the backoff. Defaults to `Math.random`. */
  readonly random?: () => number;
}

/** The result of a poll: a fresh resolution. */
export interface PolledSet extends Omit<Resolution, "stale"> {
  /** The full set; an empty one says that there are no servers. */
  readonly endpoints: readonly Endpoint[];
}

const OPTIONS: Checks<PollingResolverOptions> = {
  target: required(text),
  poll: required(fn("a function, async (signal) => ({ endpoints })")),
  intervalMs: time("milliseconds above 0, not Infinity", (value) => value > 0 && value < Infinity),
  minIntervalMs: time("milliseconds above 0, not Infinity", (value) => value > 0 && value < Infinity),
  timeoutMs: milliseconds,
  label: text,
  clock: aClock,
  random: aRandom,
};

/** One source, polled while it has consumers. */
class PolledSource {
  readonly #options: Required<PollingResolverOptions>;
  readonly #backoff: Backoff;
  readonly #latest: LatestValue<Resolution>;
  #resolution: Resolution = { endpoints: undefined };
  #polledMs = -Infinity;
  /** Stops the polling loop. */
  #stop: AbortController | undefined;
  /** Ends the wait for the next interval. */
  #wake: AbortController | undefined;

  constructor(options: Required<PollingResolverOptions>) {
    this.#options = options;
    this.#backoff = new Backoff({ initialMs: options.minIntervalMs, maxMs: options.intervalMs }, options.random);
    this.#latest = new LatestValue(() => this.#resolution, (consumers) => {
      if (consumers === 0) {
        this.#stop?.abort();
        this.#wake?.abort();
        this.#stop = undefined;
      } else if (this.#stop === undefined) {
        this.#stop = new AbortController();
        void this.#run(this.#stop.signal);
      }
    });
  }

  resolve(signal: AbortSignal): AsyncIterable<Resolution> {
    return this.#latest.consume(signal);
  }

  refresh(): void {
    this.#wake?.abort();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs, minIntervalMs } = this.#options;
    for (;;) {
      const earlyMs = this.#polledMs + minIntervalMs - clock.now();
      if (earlyMs > 0) await sleep(clock, earlyMs, signal);
      if (signal.aborted) return;
      this.#polledMs = clock.now();
      let waitMs = intervalMs;
      try {
        this.#succeeded(await this.poll(signal));
        this.#backoff.reset();
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(error as Error);
        waitMs = this.#backoff.next();
      }
      if (signal.aborted) return;
      this.#wake = new AbortController();
      await sleep(clock, waitMs, this.#wake.signal);
    }
  }

  #succeeded(found: PolledSet): void {
    if (sameJson(found, this.#resolution)) return;
    this.#resolution = found;
    this.#latest.changed();
  }

  #failed(cause: Error): void {
    const { stale } = this.#resolution;
    const sinceMs = stale?.sinceMs ?? this.#options.clock.now();
    this.#resolution = { ...this.#resolution, stale: { sinceMs, cause } };
    this.#latest.changed();
  }

  /** Polls once; returns the endpoints in address order, without duplicates. */
  async poll(signal: AbortSignal): Promise<PolledSet> {
    const { clock, label, poll, timeoutMs } = this.#options;
    signal.throwIfAborted();
    const polling = new AbortController();
    const leave = () => polling.abort(signal.reason);
    signal.addEventListener("abort", leave);
    const timer = clock.timer(timeoutMs, () => polling.abort(new Error(`no answer within ${timeoutMs} ms`)));
    try {
      const found = await untilAborted(Promise.resolve(poll(polling.signal)), polling.signal);
      if (!Array.isArray(found?.endpoints)) {
        throw new TypeError(`poll() returned ${quoted(found)}: expected { endpoints }, an array of endpoints`);
      }
      const { endpoints, ...rest } = found;
      return { endpoints: inOrder(endpoints), ...rest };
    } catch (error) {
      signal.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${label} failed: ${why}`, { cause: error });
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", leave);
    }
  }
}

/** Sorted by identity, without duplicates. Invalid endpoints are kept, so that the consumer can report them. */
function inOrder(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const identityOf = (endpoint: Endpoint) => endpoint instanceof Object ? endpointIdentity(endpoint) : String(endpoint);
  const unique = new Map(endpoints.map((endpoint) => [identityOf(endpoint), endpoint]));
  return [...unique.keys()].sort().map((identity) => unique.get(identity)!);
}

function sameJson(a: unknown, b: unknown): boolean {
  try {
    return JSON.stringify(a) === JSON.stringify(b);
  } catch {
    // The user's metadata can't be represented as JSON.
    return false;
  }
}
