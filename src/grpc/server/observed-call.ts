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

/**
 * A call that observers watch, from its arrival to its end. There is one for each call, and nearly always one observer:
 * its fields are only declared and assigned in the constructor, which is the cheapest way for every runtime to make one.
 */
export class ObservedCall implements ServerCallEnd {
  /** Of the first observer that watches it. */
  declare private readonly watch: ServerCallWatch;
  /** Of the others. */
  declare private readonly more: readonly ServerCallWatch[] | undefined;
  declare private readonly clock: Clock;
  declare private readonly startedMs: number;
  declare private hearsMessages: boolean;
  declare private over: boolean;
  declare error: unknown;
  declare latencyMs: number;
  declare sentBytes: number | undefined;
  declare receivedBytes: number | undefined;

  static {
    // What few calls have costs the others nothing on the prototype.
    Object.assign(this.prototype, { hearsMessages: false, error: undefined });
  }

  private constructor(
    watch: ServerCallWatch,
    more: readonly ServerCallWatch[] | undefined,
    clock: Clock,
    bytes: number | undefined,
  ) {
    this.watch = watch;
    this.more = more;
    this.clock = clock;
    this.startedMs = arrivedMs(clock);
    this.over = false;
    this.latencyMs = 0;
    this.sentBytes = this.receivedBytes = bytes;
    if (hearsMessages(watch) || more?.some(hearsMessages) === true) this.hearsMessages = true;
  }

  /** Notifies the observers; undefined if none watches the call. `counted`: its messages are counted. */
  static start({ all, clock }: Observers, start: ServerCallStart, counted: boolean): ObservedCall | undefined {
    let first: ServerCallWatch | undefined, more: ServerCallWatch[] | undefined;
    for (let i = 0; i < all.length; i++) {
      const watch = watchOf(all[i]!, start);
      if (watch === undefined) continue;
      if (first === undefined) first = watch;
      else (more ??= []).push(watch);
    }
    return first === undefined ? undefined : new ObservedCall(first, more, clock, counted ? 0 : undefined);
  }

  get code(): Code | undefined {
    if (this.error === undefined) return undefined;
    return this.error instanceof ConnectError ? this.error.code : Code.Internal;
  }

  /** A message was sent, of so many bytes as it was sent and uncompressed. */
  sent(bytes: number, uncompressedBytes: number): void {
    if (this.sentBytes !== undefined) this.sentBytes += bytes;
    if (this.hearsMessages) this.message("messageSent", { bytes, uncompressedBytes });
  }

  /** The same of a message that was received. */
  received(bytes: number, uncompressedBytes: number): void {
    if (this.receivedBytes !== undefined) this.receivedBytes += bytes;
    if (this.hearsMessages) this.message("messageReceived", { bytes, uncompressedBytes });
  }

  private message(event: "messageSent" | "messageReceived", message: ServerCallMessage): void {
    if (this.over) return;
    tell(this.watch, event, message);
    this.more?.forEach((watch) => tell(watch, event, message));
  }

  /** It has ended. Only the first end counts. */
  end(error: unknown): void {
    if (this.over) return;
    this.over = true;
    if (error !== undefined) this.error = error;
    this.latencyMs = this.clock.now() - this.startedMs;
    tellEnd(this.watch, this);
    this.more?.forEach((watch) => tellEnd(watch, this));
  }
}

function hearsMessages({ messageSent, messageReceived }: ServerCallWatch): boolean {
  return messageSent !== undefined || messageReceived !== undefined;
}

function tell(watch: ServerCallWatch, event: "messageSent" | "messageReceived", message: ServerCallMessage): void {
  guarded(`${event} of an observer`, () => watch[event]?.(message));
}

/** Spelled out, as it happens to every call. */
function tellEnd(watch: ServerCallWatch, end: ServerCallEnd): void {
  try {
    printRejection("ended of an observer", watch.ended(end));
  } catch (thrown) {
    printThrown("ended of an observer", thrown);
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
