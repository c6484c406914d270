import { Code, ConnectError } from "@connectrpc/connect";
import { guarded } from "../../listener.ts";
import type { ServerCallEnd, ServerCallStart, ServerCallWatch, ServerObserver } from "./observer.ts";

/** The observers of a server's calls. */
export interface Observers {
  readonly all: readonly ServerObserver[];
  /** The server's clock, in milliseconds. */
  now(): number;
}

/** A call that observers watch, from its arrival to its end. */
export class ObservedCall implements ServerCallEnd {
  readonly #watches: readonly ServerCallWatch[];
  readonly #now: () => number;
  readonly #startedMs: number;
  #over = false;
  error: unknown = undefined;
  latencyMs = 0;
  sentBytes: number | undefined;
  receivedBytes: number | undefined;

  private constructor(watches: readonly ServerCallWatch[], observers: Observers, bytes: number | undefined) {
    this.#watches = watches;
    this.#now = observers.now;
    this.#startedMs = observers.now();
    this.sentBytes = this.receivedBytes = bytes;
  }

  /** Notifies the observers; undefined if none watches the call. `counted`: its messages are counted. */
  static start(observers: Observers, start: ServerCallStart, counted: boolean): ObservedCall | undefined {
    const watches: ServerCallWatch[] = [];
    for (const observer of observers.all) {
      guarded("callStarted of an observer", () => {
        const watch = observer.callStarted(start);
        if (typeof (watch as Partial<ServerCallWatch> | undefined)?.ended !== "function") return watch;
        watches.push(watch as ServerCallWatch);
        return undefined;
      });
    }
    return watches.length === 0 ? undefined : new ObservedCall(watches, observers, counted ? 0 : undefined);
  }

  get code(): Code | undefined {
    if (this.error === undefined) return undefined;
    return this.error instanceof ConnectError ? this.error.code : Code.Internal;
  }

  /** A message was sent. */
  sent(bytes: number): void {
    if (this.sentBytes !== undefined) this.sentBytes += bytes;
  }

  /** A message was received. */
  received(bytes: number): void {
    if (this.receivedBytes !== undefined) this.receivedBytes += bytes;
  }

  /** It has ended. Only the first end counts. */
  end(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.error = error;
    this.latencyMs = this.#now() - this.#startedMs;
    for (const watch of this.#watches) guarded("ended of an observer", () => watch.ended(this));
  }
}
