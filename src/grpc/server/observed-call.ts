import { Code, ConnectError } from "@connectrpc/connect";
import { guarded, printRejection, printThrown } from "../../listener.ts";
import { arrivedMs } from "../../time/arrival.ts";
import type { Clock } from "../../time/clock.ts";
import type { ServerCallEnd, ServerCallMessage, ServerCallStart, ServerCallWatch, ServerObserver } from "./observer.ts";

/** The observers of a server's calls. */
export interface Observers {
  readonly all: readonly ServerObserver[];
  /** The server's. */
  readonly clock: Clock;
}

/** A call that observers watch, from its arrival to its end. */
export class ObservedCall implements ServerCallEnd {
  readonly #watches: readonly ServerCallWatch[];
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #hearsMessages: boolean;
  #over = false;
  error: unknown = undefined;
  latencyMs = 0;
  sentBytes: number | undefined;
  receivedBytes: number | undefined;

  private constructor(watches: readonly ServerCallWatch[], observers: Observers, bytes: number | undefined) {
    this.#watches = watches;
    this.#hearsMessages = watches.some((watch) =>
      watch.messageSent !== undefined || watch.messageReceived !== undefined
    );
    this.#clock = observers.clock;
    this.#startedMs = arrivedMs(observers.clock);
    this.sentBytes = this.receivedBytes = bytes;
  }

  /** Notifies the observers; undefined if none watches the call. `counted`: its messages are counted. */
  static start(observers: Observers, start: ServerCallStart, counted: boolean): ObservedCall | undefined {
    const watches: ServerCallWatch[] = [];
    for (const observer of observers.all) {
      const watch = watchOf(observer, start);
      if (watch !== undefined) watches.push(watch);
    }
    return watches.length === 0 ? undefined : new ObservedCall(watches, observers, counted ? 0 : undefined);
  }

  get code(): Code | undefined {
    if (this.error === undefined) return undefined;
    return this.error instanceof ConnectError ? this.error.code : Code.Internal;
  }

  /** A message was sent, of so many bytes as it was sent and uncompressed. */
  sent(bytes: number, uncompressedBytes: number): void {
    if (this.sentBytes !== undefined) this.sentBytes += bytes;
    if (this.#hearsMessages) this.#message("messageSent", { bytes, uncompressedBytes });
  }

  /** The same of a message that was received. */
  received(bytes: number, uncompressedBytes: number): void {
    if (this.receivedBytes !== undefined) this.receivedBytes += bytes;
    if (this.#hearsMessages) this.#message("messageReceived", { bytes, uncompressedBytes });
  }

  #message(event: "messageSent" | "messageReceived", message: ServerCallMessage): void {
    if (this.#over) return;
    for (const watch of this.#watches) guarded(`${event} of an observer`, () => watch[event]?.(message));
  }

  /** It has ended. Only the first end counts. */
  end(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.error = error;
    this.latencyMs = this.#clock.now() - this.#startedMs;
    for (const watch of this.#watches) {
      try {
        printRejection("ended of an observer", watch.ended(this));
      } catch (thrown) {
        printThrown("ended of an observer", thrown);
      }
    }
  }
}

/** What an observer wants to watch the call with. Spelled out, like the end, as it happens to every call. */
function watchOf(observer: ServerObserver, start: ServerCallStart): ServerCallWatch | undefined {
  try {
    const watch: unknown = observer.callStarted(start);
    if (typeof (watch as Partial<ServerCallWatch> | undefined)?.ended === "function") return watch as ServerCallWatch;
    printRejection("callStarted of an observer", watch);
  } catch (error) {
    printThrown("callStarted of an observer", error);
  }
  return undefined;
}
