import { asError } from "../../error-text.ts";
import { LatestValue } from "../../resolver/latest-value.ts";
import type { Staleness } from "../../resolver/resolver.ts";
import { sleep } from "../../time/backoff.ts";
import type { EtcdClient } from "../client/client.ts";
import type { Cursor } from "../client/cursor.ts";
import { Pace } from "../client/pace.ts";
import type { KeyValue, WatchEvent } from "../driver/driver.ts";
import { WatchTimeout } from "../driver/failure.ts";
import { type KeyRange, Position } from "./position.ts";
import { Relist } from "./relist.ts";
import type { OpenWatch, WatchStreams } from "./watch-streams.ts";

/**
 * The delay before the list is read again after a cut, in milliseconds: random in this range, to spread the load on
 * etcd.
 */
const DOUBTED_MS = { least: 1_000, most: 5_000 } as const;
/** The delay before the list is read again behind a proxy, which may silently lose watches, in milliseconds. */
const PROXIED_MS = { least: 30_000, most: 60_000 } as const;

/** What a watch knows. */
export interface Known {
  /** Whether the keys were ever listed. */
  readonly listed: boolean;
  /** Set while they can't be kept up to date. */
  readonly stale: Staleness | undefined;
}

/**
 * What the keys of a range mean, kept up to date while it has consumers: lists, watches from the list's revision + 1,
 * and after a cut resumes where the watch was. Subclasses know the meaning, and what to report.
 *
 * Every failure leads to one of three actions: list again (the history is gone, or is another), watch again on another
 * etcd endpoint, or wait for long (the user was refused). Meanwhile what was last known remains, and counts as stale.
 */
export abstract class RangeWatch<T> {
  readonly #client: EtcdClient;
  readonly #streams: WatchStreams;
  readonly #range: KeyRange;
  readonly #pace: Pace;
  readonly #position = new Position();
  readonly #stop = new AbortController();
  readonly #latest: LatestValue<T>;
  #cursor: Cursor | undefined;
  #started = false;
  #listed = false;
  /** It has changed, or was never delivered. It is not delivered between the fragments of one response. */
  #unpublished = true;
  /**
   * The list must be read again soon. Either the watch was cut since the last list, and etcd may have been restored or
   * wiped meanwhile, which its headers can't show once its revision is past ours again; or the watch goes through a
   * proxy.
   */
  #doubted = false;
  #stale: Staleness | undefined;
  #ask: (() => void) | undefined;

  /** Calls `onIdle` when its last consumer has gone; it has then stopped for good. */
  constructor(streams: WatchStreams, range: KeyRange, onIdle: () => void) {
    this.#client = streams.client;
    this.#streams = streams;
    this.#range = range;
    this.#pace = new Pace(streams.client);
    this.#latest = new LatestValue(() => this.read(this.known), (consumers) => {
      if (consumers > 0) return this.#start();
      this.#stop.abort();
      onIdle();
    });
  }

  /** Replaces all that is known by the keys of a list. Returns whether something changed. */
  protected abstract replace(kvs: readonly KeyValue[]): boolean;
  /** Applies events in order. Returns whether something may have changed. */
  protected abstract apply(events: readonly WatchEvent[]): boolean;
  /** What consumers get. */
  protected abstract read(known: Known): T;
  /** It can't be kept up to date for now. */
  protected abstract staled(cause: Error): void;
  /** It is up to date again. */
  protected abstract freshened(): void;
  /** The user was refused. */
  protected abstract refused(cause: Error, retryInMs: number): void;
  /** The watch must be restarted. */
  protected abstract restarted(cause: Error, retryInMs: number): void;

  protected get known(): Known {
    return { listed: this.#listed, stale: this.#stale };
  }

  consume(signal: AbortSignal): AsyncIterable<T> {
    return this.#latest.consume(signal);
  }

  /** Probes now whether the watch is alive, if it is open. Otherwise the next attempt is never far off. */
  refresh(): void {
    this.#ask?.();
  }

  /** Ends it for all consumers. */
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
    this.#unpublished = this.replace(kvs) || this.#unpublished;
    this.#listed = true;
    this.#becomeFresh();
    this.#publish();
  }

  /** Returns when the watch has to be recreated as planned; throws when it was cut. */
  async #watch(cursor: Cursor, signal: AbortSignal): Promise<void> {
    await this.#streams.read(cursor, signal, {
      request: { ...this.#range, startRevision: this.#position.next as bigint },
      onOpen: (watch) => this.#opened(watch),
      onResponse: (response) => {
        this.#position.check(response);
        this.#unpublished = this.apply(response.events) || this.#unpublished;
        this.#position.advance(response);
        if (!response.fragment) this.#publish();
      },
    });
    if (this.#doubted) this.#position.forget();
  }

  /** Returns how long the watch should live, in milliseconds: until the list must be read again, or indefinitely. */
  #opened({ direct, ask }: OpenWatch): number {
    this.#becomeFresh();
    this.#ask = ask;
    const { least, most } = this.#doubted ? DOUBTED_MS : PROXIED_MS;
    this.#doubted ||= !direct;
    return this.#doubted ? least + (most - least) * this.#client.random() : Infinity;
  }

  async #recover(thrown: unknown, signal: AbortSignal): Promise<void> {
    const cause = asError(thrown);
    const cursor = this.#cursor as Cursor;
    let inMs: number;
    if (thrown instanceof Relist) {
      this.#position.forget();
      inMs = this.#pace.startOver();
    } else {
      this.#becomeStale(cause);
      this.#doubted = true;
      // If watches can't be created there, each attempt can still get the keys from a list.
      if (thrown instanceof WatchTimeout) this.#position.forget();
      cursor.next();
      const retry = this.#pace.failed(thrown);
      inMs = retry.inMs;
      if (retry.refused) this.refused(cause, this.#client.retryInMs(cursor, inMs));
    }
    this.restarted(cause, this.#client.retryInMs(cursor, inMs));
    await sleep(this.#client.clock, inMs, signal);
  }

  #publish(): void {
    if (!this.#unpublished) return;
    this.#unpublished = false;
    this.#latest.changed();
  }

  #becomeStale(cause: Error): void {
    if (this.#stale !== undefined) return;
    this.#stale = { sinceMs: this.#client.clock.now(), cause };
    this.staled(cause);
    this.#latest.changed();
  }

  #becomeFresh(): void {
    this.#pace.succeeded();
    if (this.#stale === undefined) return;
    this.#stale = undefined;
    this.freshened();
    this.#latest.changed();
  }
}
