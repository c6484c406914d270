import { asError } from "../../error-text.ts";
import { Backoff, sleep } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import { LatestValue } from "../latest-value.ts";
import type { Resolution, Staleness } from "../resolver.ts";
import { type EndpointSliceApi, SilentWatch, type SliceEvent } from "./api.ts";
import { KubernetesError } from "./api-error.ts";
import type { Slices } from "./slices.ts";

/** The backoff after failures: full jitter, because many clients notice at once that an API server is gone. */
const RETRY = { initialMs: 200, maxMs: 30_000, factor: 2, jitter: "full" } as const;
/** The wait after a refusal, in milliseconds: it takes a person to fix that. */
const REFUSED_RETRY_MS = 30_000;
/** The least wait after it where requests were admitted before: a server that was just started refuses for a moment. */
const ADMITTED_RETRY_MS = 1_000;
/** A watch that has lasted this long, in milliseconds, was a good one: the backoff starts over. */
const HEALTHY_MS = 10_000;
/** How long a watch lives, in seconds: random in this range, so that those that began at once do not end at once. */
const LEAST_WATCH_S = 240, MOST_WATCH_S = 300;
/** When a connection to an endpoint failed, an open watch must say something within this time, in milliseconds. */
const DOUBTED_MS = 5_000;
/** The least time between two such doubts, in milliseconds. */
const DOUBT_EVERY_MS = 30_000;

/** What a watch of a service needs. */
export interface SliceWatchOptions {
  readonly api: EndpointSliceApi;
  /** Empty ones. */
  readonly slices: Slices;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * The endpoints of one service, kept up to date while there are consumers: the slices are listed, then watched from the
 * list's resource version on. A watch that ended or was cut goes on where it was; if the server no longer has the
 * changes since then, the slices are listed again. Meanwhile the last set stays, as stale once something has failed.
 */
export class SliceWatch {
  readonly #options: SliceWatchOptions;
  readonly #backoff: Backoff;
  readonly #latest: LatestValue<Resolution>;
  readonly #stop = new AbortController();
  /** Where the next watch begins; undefined: with a list. */
  #resourceVersion: string | undefined;
  #started = false;
  #listed = false;
  #stale: Staleness | undefined;
  /** When the watch was opened; Infinity while there is none. */
  #openedMs = Infinity;
  #doubtedMs = -Infinity;
  #doubt: (() => void) | undefined;

  /** Calls `onIdle` when the last consumer has gone; it has then stopped for good. */
  constructor(options: SliceWatchOptions, onIdle: () => void) {
    this.#options = options;
    this.#backoff = new Backoff(RETRY, options.random);
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

  /** A connection failed: if the watch has nothing to say about it soon, it is opened again. */
  refresh(): void {
    const nowMs = this.#options.clock.now();
    if (this.#doubt === undefined || nowMs - this.#doubtedMs < DOUBT_EVERY_MS) return;
    this.#doubtedMs = nowMs;
    this.#doubt();
  }

  #read(): Resolution {
    const stale = this.#stale;
    if (!this.#listed) return { endpoints: undefined, ...stale && { stale } };
    try {
      return { endpoints: this.#options.slices.endpoints, ...stale && { stale } };
    } catch (error) {
      // Which port is meant is not clear.
      return { endpoints: undefined, stale: { sinceMs: this.#options.clock.now(), cause: asError(error) } };
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      let waitMs = 0;
      try {
        if (this.#resourceVersion === undefined) await this.#list(signal);
        await this.#watch(signal);
        waitMs = this.#again();
      } catch (error) {
        if (signal.aborted) return;
        waitMs = this.#failed(error);
      }
      if (waitMs > 0) await sleep(clock, waitMs, signal);
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { resourceVersion, slices } = await this.#options.api.list(signal);
    this.#options.slices.replace(slices);
    this.#resourceVersion = resourceVersion;
    this.#listed = true;
    this.#stale = undefined;
    this.#latest.changed();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { api, clock, random } = this.#options;
    const resourceVersion = this.#resourceVersion as string;
    const timeoutSeconds = Math.round(LEAST_WATCH_S + (MOST_WATCH_S - LEAST_WATCH_S) * random());
    this.#openedMs = Infinity;
    try {
      await api.watch({ resourceVersion, timeoutSeconds }, signal, async ({ events, expect }) => {
        this.#openedMs = clock.now();
        this.#becomeFresh();
        this.#doubt = () => expect(DOUBTED_MS);
        for await (const event of events) this.#apply(event);
      });
    } finally {
      this.#doubt = undefined;
    }
  }

  #apply(event: SliceEvent): void {
    this.#resourceVersion = event.resourceVersion;
    if (event.type === "BOOKMARK") return;
    const { slices } = this.#options;
    if (event.type === "DELETED") slices.delete(event.slice);
    else slices.set(event.slice);
    this.#latest.changed();
  }

  /** The watch is over as planned. Returns how long to wait: 0, unless watches end again and again. */
  #again(): number {
    if (this.#lasted()) {
      this.#backoff.reset();
      return 0;
    }
    const waitMs = this.#backoff.next();
    return this.#backoff.tries === 1 ? 0 : waitMs;
  }

  /** Returns how long to wait before the next attempt, in milliseconds. */
  #failed(thrown: unknown): number {
    if (thrown instanceof SilentWatch) {
      // A server whose etcd was restored is behind our version, and says nothing until it has caught up.
      const doubted = this.#options.clock.now() - this.#doubtedMs < 2 * DOUBTED_MS;
      if (!doubted) this.#resourceVersion = undefined;
      return this.#again();
    }
    if (thrown instanceof KubernetesError && thrown.expired) {
      this.#resourceVersion = undefined;
      return this.#again();
    }
    const cause = asError(thrown);
    // What ended the watch may be about our resource version: only a cut connection surely is not.
    if (thrown instanceof KubernetesError && !thrown.refused) this.#resourceVersion = undefined;
    if (this.#lasted()) this.#backoff.reset();
    this.#openedMs = Infinity;
    this.#stale = { sinceMs: this.#stale?.sinceMs ?? this.#options.clock.now(), cause };
    this.#latest.changed();
    const { refused = false, retryAfterMs = 0 } = thrown instanceof KubernetesError ? thrown : {};
    const leastMs = refused ? this.#listed ? ADMITTED_RETRY_MS : REFUSED_RETRY_MS : 0;
    return Math.max(leastMs, this.#backoff.next(), retryAfterMs);
  }

  #lasted(): boolean {
    return this.#options.clock.now() - this.#openedMs >= HEALTHY_MS;
  }

  #becomeFresh(): void {
    if (this.#stale === undefined) return;
    this.#stale = undefined;
    this.#latest.changed();
  }
}
