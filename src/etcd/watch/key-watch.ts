import { emit } from "../../listener.ts";
import type { RegistryEvent } from "../../registry/event.ts";
import type { ServiceConfigText } from "../../resolver/config-source.ts";
import type { KeyValue, WatchEvent } from "../driver/driver.ts";
import { valueOf } from "./entries.ts";
import { onlyKey } from "./position.ts";
import { type Known, RangeWatch } from "./range-watch.ts";
import type { WatchStreams } from "./watch-streams.ts";

/** The value of one key, a service config, kept up to date while it has consumers. */
export class KeyWatch extends RangeWatch<ServiceConfigText> {
  readonly #key: string;
  readonly #onEvent: ((event: RegistryEvent) => void) | undefined;
  #revision = 0n;
  #value: ServiceConfigText;

  /** Calls `onIdle` when its last consumer has gone; it has then stopped for good. */
  constructor(
    streams: WatchStreams,
    key: string,
    onEvent: ((event: RegistryEvent) => void) | undefined,
    onIdle: () => void,
  ) {
    super(streams, onlyKey(key), onIdle);
    this.#key = key;
    this.#onEvent = onEvent;
  }

  protected replace([kv]: readonly KeyValue[]): boolean {
    this.#revision = kv?.modRevision ?? 0n;
    return this.#set(kv);
  }

  protected apply(events: readonly WatchEvent[]): boolean {
    let changed = false;
    for (const { type, kv } of events) {
      // Repeated events do no harm.
      if (kv.modRevision <= this.#revision) continue;
      this.#revision = kv.modRevision;
      changed = this.#set(type === "put" ? kv : undefined) || changed;
    }
    return changed;
  }

  #set(kv: KeyValue | undefined): boolean {
    const value = kv && valueOf(kv), before = this.#value;
    if (value instanceof Error && before instanceof Error && value.message === before.message) return false;
    this.#value = value;
    return value !== before;
  }

  /** While nothing is known, an error says why. */
  protected read({ listed, stale }: Known): ServiceConfigText {
    return listed ? this.#value : stale?.cause;
  }

  protected staled(cause: Error): void {
    emit(this.#onEvent, { type: "config-stale", key: this.#key, cause });
  }

  protected freshened(): void {
    emit(this.#onEvent, { type: "config-fresh", key: this.#key });
  }

  protected refused(cause: Error, retryInMs: number): void {
    emit(this.#onEvent, { type: "auth-refused", key: this.#key, cause, retryInMs });
  }

  protected restarted(cause: Error, retryInMs: number): void {
    emit(this.#onEvent, { type: "config-watch-restarted", key: this.#key, cause, retryInMs });
  }
}
