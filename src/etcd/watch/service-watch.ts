import { emit } from "../../listener.ts";
import type { RegistryEvent } from "../../registry/event.ts";
import type { Layout } from "../../registry/layout/layout.ts";
import { LatestValue } from "../../resolver/latest-value.ts";
import type { Resolution, Staleness } from "../../resolver/resolver.ts";
import { sleep } from "../../time/backoff.ts";
import type { EtcdClient } from "../client/client.ts";
import type { Cursor } from "../client/cursor.ts";
import { Pace } from "../client/pace.ts";
import { asError, WatchTimeout } from "../driver/failure.ts";
import { Entries } from "./entries.ts";
import { keyRange, Position } from "./position.ts";
import { Relist } from "./relist.ts";
import type { OpenWatch, WatchStreams } from "./watch-streams.ts";

/** How soon the list is read again after a cut, in milliseconds: at random in between, to spread the load on etcd. */
const DOUBTED_MS = { least: 1_000, most: 5_000 } as const;
/** How soon the list is read again where a proxy may have lost the watch without a word, in milliseconds. */
const PROXIED_MS = { least: 30_000, most: 60_000 } as const;

/**
 * One service's set of endpoints, kept up to date while anyone consumes it: list, watch from the list's revision + 1,
 * and after a cut from where the watch was.
 *
 * What goes wrong leads to one of three: the list again (the history is gone, or is another), the watch again on another
 * etcd endpoint, or a long wait (the user was refused). Meanwhile the last set stands, and is told as stale.
 */
export class ServiceWatch {
  readonly #client: EtcdClient;
  readonly #streams: WatchStreams;
  readonly #service: string;
  readonly #range: ReturnType<typeof keyRange>;
  readonly #onEvent: ((event: RegistryEvent) => void) | undefined;
  readonly #entries: Entries;
  readonly #pace: Pace;
  readonly #position = new Position();
  readonly #stop = new AbortController();
  readonly #latest: LatestValue<Resolution>;
  #cursor: Cursor | undefined;
  #started = false;
  #listed = false;
  /** The set has changed, or was never told. In the midst of a response that comes in fragments it waits to be whole. */
  #untold = true;
  /**
   * The list is to be read again before long. Since the last one there was a cut, behind which etcd may have been restored
   * or wiped: that can't be told from its headers once its revision is past ours again. Or the watch goes through a proxy.
   */
  #doubted = false;
  #stale: Staleness | undefined;
  #ask: (() => void) | undefined;

  /** `onIdle` is told when its last consumer has gone; it has stopped then, for good. */
  constructor(
    streams: WatchStreams,
    service: string,
    layout: Layout,
    onEvent: ((event: RegistryEvent) => void) | undefined,
    onIdle: () => void,
  ) {
    this.#client = streams.client;
    this.#streams = streams;
    this.#service = service;
    this.#range = keyRange(layout.prefix(service));
    this.#onEvent = onEvent;
    this.#entries = new Entries(layout, service, (key, cause) => {
      emit(onEvent, { type: "value-skipped", service, key, cause });
    });
    this.#pace = new Pace(streams.client);
    this.#latest = new LatestValue(() => this.#resolution(), (consumers) => {
      if (consumers > 0) return this.#start();
      this.#stop.abort();
      onIdle();
    });
  }

  consume(signal: AbortSignal): AsyncIterable<Resolution> {
    return this.#latest.consume(signal);
  }

  /** Looks whether the watch is alive, sooner than it would by itself. The next try is never far off anyway. */
  refresh(): void {
    this.#ask?.();
  }

  /** Ends for all consumers, who keep the last set as stale. */
  close(cause: Error): void {
    this.#stop.abort();
    this.#becomeStale(cause);
    this.#latest.end();
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#run(this.#stop.signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const cursor = this.#cursor ??= this.#client.cursor();
        if (this.#position.next === undefined) await this.#list(cursor, signal);
        await this.#watch(cursor, signal);
      } catch (error) {
        if (!signal.aborted) await this.#recover(error, signal);
      }
    }
  }

  async #list(cursor: Cursor, signal: AbortSignal): Promise<void> {
    const { header, kvs } = await this.#client.unary(
      cursor,
      signal,
      (context) => this.#client.driver.range(this.#range, context),
    );
    signal.throwIfAborted();
    this.#position.list(header);
    this.#doubted = false;
    this.#untold = this.#entries.replace(kvs) || this.#untold;
    this.#listed = true;
    this.#becomeFresh();
    this.#tell();
  }

  /** Returns when the watch is to be created anew, as planned; throws when it was cut. */
  async #watch(cursor: Cursor, signal: AbortSignal): Promise<void> {
    try {
      await this.#streams.read(cursor, signal, {
        request: { ...this.#range, startRevision: this.#position.next as bigint },
        onOpen: (watch) => this.#opened(watch),
        onResponse: (response) => {
          this.#position.check(response);
          this.#untold = this.#entries.apply(response.events) || this.#untold;
          this.#position.advance(response);
          if (response.created) this.#becomeFresh();
          if (!response.fragment) this.#tell();
        },
      });
    } finally {
      this.#ask = undefined;
    }
    if (this.#doubted) this.#position.forget();
  }

  /** Returns how long the watch is wanted, in milliseconds: until the list is to be read again, if it is. */
  #opened({ direct, ask }: OpenWatch): number {
    this.#ask = ask;
    const { least, most } = this.#doubted ? DOUBTED_MS : PROXIED_MS;
    this.#doubted ||= !direct;
    return this.#doubted ? least + (most - least) * this.#client.random() : Infinity;
  }

  async #recover(thrown: unknown, signal: AbortSignal): Promise<void> {
    const cause = asError(thrown);
    let retryInMs: number;
    if (thrown instanceof Relist) {
      this.#position.forget();
      retryInMs = this.#pace.startOver();
    } else {
      this.#becomeStale(cause);
      this.#doubted = true;
      // If no watch can be had there, the set can: by a list at each try.
      if (thrown instanceof WatchTimeout) this.#position.forget();
      this.#cursor?.next();
      const retry = this.#pace.failed(thrown);
      retryInMs = retry.inMs;
      if (retry.refused) emit(this.#onEvent, { type: "auth-refused", service: this.#service, cause, retryInMs });
    }
    emit(this.#onEvent, { type: "watch-restarted", service: this.#service, cause, retryInMs });
    await sleep(this.#client.clock, retryInMs, signal);
  }

  #tell(): void {
    if (!this.#untold) return;
    this.#untold = false;
    this.#latest.changed();
  }

  #resolution(): Resolution {
    const endpoints = this.#listed ? this.#entries.endpoints : undefined;
    return this.#stale === undefined ? { endpoints } : { endpoints, stale: this.#stale };
  }

  #becomeStale(cause: Error): void {
    if (this.#stale !== undefined) return;
    this.#stale = { sinceMs: this.#client.clock.now(), cause };
    emit(this.#onEvent, { type: "set-stale", service: this.#service, cause });
    this.#latest.changed();
  }

  #becomeFresh(): void {
    this.#pace.succeeded();
    if (this.#stale === undefined) return;
    this.#stale = undefined;
    emit(this.#onEvent, { type: "set-fresh", service: this.#service, endpoints: this.#entries.endpoints.length });
    this.#latest.changed();
  }
}
