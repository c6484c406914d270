import type { Endpoint } from "../endpoint.ts";
import { asError, textOf } from "../error-text.ts";
import { emit } from "../listener.ts";
import type { RegistryEvent } from "../registry/event.ts";
import type { WatchSnapshot } from "../registry/snapshot.ts";
import { LatestValue } from "../resolver/latest-value.ts";
import type { Resolution, Staleness } from "../resolver/resolver.ts";
import { shownText } from "../shown-text.ts";
import { sleep } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import { ConsulError } from "./agent.ts";
import { ConsulPace } from "./pace.ts";
import { type QueryOptions, queryService } from "./query.ts";

/** A service that changes all the time is read this often at most: so many times at once, then once per interval. */
const BURST = 5, INTERVAL_MS = 1_000;

/** What a watch needs. */
export interface ServiceWatchOptions {
  readonly query: QueryOptions;
  readonly waitMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: ((event: RegistryEvent) => void) | undefined;
}

/**
 * One service's endpoints, kept up to date while it has consumers, by blocking queries: each waits at the agent until
 * the service's state is another than that of the last answer, whose index it names.
 */
export class ConsulServiceWatch {
  readonly #service: string;
  readonly #options: ServiceWatchOptions;
  readonly #pace: ConsulPace;
  readonly #latest: LatestValue<Resolution>;
  readonly #stop = new AbortController();
  #started = false;
  #endpoints: readonly Endpoint[] | undefined;
  #stale: Staleness | undefined;
  /** Of the last answer; undefined: the next query does not wait. */
  #index: number | undefined;
  #tokens = BURST;
  #refilledMs: number;

  /** Calls `onIdle` when its last consumer has gone; it has then stopped for good. */
  constructor(service: string, options: ServiceWatchOptions, onIdle: () => void) {
    this.#service = service;
    this.#options = options;
    this.#refilledMs = options.clock.now();
    this.#pace = new ConsulPace(options.clock, options.random);
    this.#latest = new LatestValue(() => this.#read(), (consumers) => {
      if (consumers === 0) {
        this.#stop.abort();
        onIdle();
      } else if (!this.#started) {
        this.#started = true;
        void this.#run(this.#stop.signal);
      }
    });
  }

  consume(signal: AbortSignal): AsyncIterable<Resolution> {
    return this.#latest.consume(signal);
  }

  snapshot(): WatchSnapshot {
    const stale = this.#stale;
    return {
      service: this.#service,
      endpoints: this.#endpoints?.length,
      stale: stale && { sinceMs: stale.sinceMs, cause: shownText(textOf(stale.cause)) },
    };
  }

  /** Ends it for all consumers. */
  close(cause: Error): void {
    this.#stop.abort();
    this.#becomeStale(cause);
    this.#latest.end();
  }

  #read(): Resolution {
    return { endpoints: this.#endpoints, ...this.#stale && { stale: this.#stale } };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { query, waitMs, clock } = this.#options;
    while (!signal.aborted) {
      const index = this.#index, asked = index === undefined ? {} : { index, waitMs };
      try {
        const found = await queryService(query, this.#service, asked, signal);
        if (signal.aborted) return;
        this.#pace.succeeded();
        // Only an answer that did not wait says so if the token may no longer read the service.
        const doubtful = index !== undefined && found.entries === 0 && this.#endpoints?.length;
        this.#index = doubtful ? undefined : nextIndex(index, found.index);
        // The same index: nothing has changed in the time that the query waited.
        if (!doubtful && (found.index !== index || this.#stale !== undefined)) this.#learn(found.endpoints);
      } catch (error) {
        if (signal.aborted) return;
        const cause = asError(error), retryInMs = this.#pace.failed(error);
        // Another server of Consul's, or a restored one, may count from elsewhere.
        this.#index = undefined;
        this.#becomeStale(cause);
        const type = error instanceof ConsulError && error.refused ? "auth-refused" : "watch-restarted";
        emit(this.#options.onEvent, { type, service: this.#service, cause, retryInMs });
        await sleep(clock, retryInMs, signal);
      }
      await this.#takeToken(signal);
    }
  }

  async #takeToken(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options, nowMs = clock.now();
    this.#tokens = Math.min(BURST, this.#tokens + (nowMs - this.#refilledMs) / INTERVAL_MS) - 1;
    this.#refilledMs = nowMs;
    if (this.#tokens < 0) await sleep(clock, -this.#tokens * INTERVAL_MS, signal);
  }

  #learn(endpoints: readonly Endpoint[]): void {
    const fresh = this.#stale !== undefined;
    this.#stale = undefined;
    this.#endpoints = endpoints;
    if (fresh) emit(this.#options.onEvent, { type: "set-fresh", service: this.#service, endpoints: endpoints.length });
    this.#latest.changed();
  }

  #becomeStale(cause: Error): void {
    if (this.#stale !== undefined) return;
    this.#stale = { sinceMs: this.#options.clock.now(), cause };
    emit(this.#options.onEvent, { type: "set-stale", service: this.#service, cause });
    this.#latest.changed();
  }
}

/**
 * What the next query waits from. An index that went back is forgotten: waiting for a later one could miss changes. 1 can
 * always be waited from, and 0 never: a query with it would not wait.
 */
function nextIndex(last: number | undefined, index: number): number | undefined {
  if (!Number.isInteger(index)) throw new Error("the answer has no X-Consul-Index: is this a Consul agent?");
  return last !== undefined && index < last ? undefined : Math.max(1, index);
}
