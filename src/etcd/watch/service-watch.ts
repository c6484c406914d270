import { textOf } from "../../error-text.ts";
import { emit } from "../../listener.ts";
import type { RegistryEvent } from "../../registry/event.ts";
import type { Layout } from "../../registry/layout/layout.ts";
import type { WatchSnapshot } from "../../registry/snapshot.ts";
import type { Resolution } from "../../resolver/resolver.ts";
import { shownText } from "../../shown-text.ts";
import type { KeyValue, WatchEvent } from "../driver/driver.ts";
import { Entries } from "./entries.ts";
import { keyRange } from "./position.ts";
import { type Known, RangeWatch } from "./range-watch.ts";
import type { WatchStreams } from "./watch-streams.ts";

/** One service's set of endpoints, kept up to date while it has consumers. */
export class ServiceWatch extends RangeWatch<Resolution> {
  readonly #service: string;
  readonly #onEvent: ((event: RegistryEvent) => void) | undefined;
  readonly #entries: Entries;

  /** Calls `onIdle` when its last consumer has gone; it has then stopped for good. */
  constructor(
    streams: WatchStreams,
    service: string,
    layout: Layout,
    onEvent: ((event: RegistryEvent) => void) | undefined,
    onIdle: () => void,
  ) {
    super(streams, keyRange(layout.prefix(service)), onIdle);
    this.#service = service;
    this.#onEvent = onEvent;
    this.#entries = new Entries(layout, service, (key, cause) => {
      emit(onEvent, { type: "value-skipped", service, key, cause });
    });
  }

  snapshot(): WatchSnapshot {
    const { listed, stale } = this.known;
    return {
      service: this.#service,
      endpoints: listed ? this.#entries.endpoints.length : undefined,
      stale: stale && { sinceMs: stale.sinceMs, cause: shownText(textOf(stale.cause)) },
    };
  }

  protected replace(kvs: readonly KeyValue[]): boolean {
    return this.#entries.replace(kvs);
  }

  protected apply(events: readonly WatchEvent[]): boolean {
    return this.#entries.apply(events);
  }

  protected read({ listed, stale }: Known): Resolution {
    const endpoints = listed ? this.#entries.endpoints : undefined;
    return stale === undefined ? { endpoints } : { endpoints, stale };
  }

  protected staled(cause: Error): void {
    emit(this.#onEvent, { type: "set-stale", service: this.#service, cause });
  }

  protected freshened(): void {
    emit(this.#onEvent, { type: "set-fresh", service: this.#service, endpoints: this.#entries.endpoints.length });
  }

  protected refused(cause: Error, retryInMs: number): void {
    emit(this.#onEvent, { type: "auth-refused", service: this.#service, cause, retryInMs });
  }

  protected restarted(cause: Error, retryInMs: number): void {
    emit(this.#onEvent, { type: "watch-restarted", service: this.#service, cause, retryInMs });
  }
}
