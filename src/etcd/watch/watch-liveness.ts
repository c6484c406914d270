import type { Clock, Timer } from "../../time/clock.ts";
import { EtcdError, WatchTimeout } from "../driver/failure.ts";

/**
 * The interval between probes of a stream of watches, in milliseconds. After two unanswered probes it is dead, so a
 * dead stream is detected within three intervals.
 */
export const PROGRESS_MS = 2_500;
/** How many times `requestTimeoutMs` a watch may wait to be created while events of other watches arrive. */
const MOST_WAITS = 10;

/** What probes a stream of watches, and what is reported. */
export interface LivenessOptions {
  readonly clock: Clock;
  /** The endpoint's address, for error messages. */
  readonly address: string;
  /** How long a watch may wait to be created, in milliseconds. */
  readonly requestTimeoutMs: number;
  /**
   * Probes the server; `times` is 1 for the first probe since the last sign of life. Undefined: the server can't be
   * probed.
   */
  readonly ask: ((times: number) => void) | undefined;
  /** Called when the stream is dead, with the cause. */
  readonly dead: (cause: EtcdError) => void;
}

/** Tells a dead stream of watches from a quiet one. */
export class WatchLiveness {
  readonly #options: LivenessOptions;
  /** How many probes were sent since the last sign of life. */
  #asked = 0;
  #next: Timer | undefined;
  /** While a watch is waiting to be created. */
  #creation: { readonly sinceMs: number; timer: Timer } | undefined;
  #stopped = false;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** The server sent a response. */
  heard(): void {
    this.#asked = 0;
  }

  /** A watch is waiting to be created. Does not extend the time of those that already wait. */
  awaitsCreation(): void {
    if (this.#creation !== undefined || this.#stopped) return;
    this.#creation = { sinceMs: this.#options.clock.now(), timer: this.#creationTimer() };
  }

  /** A watch was created, or refused. The time of those that still wait begins with the next `awaitsCreation`. */
  created(): void {
    this.#creation?.timer.cancel();
    this.#creation = undefined;
  }

  /** Events arrived. The response that is waited for may be queued behind many of them, but not indefinitely. */
  events(): void {
    const { clock, requestTimeoutMs } = this.#options, creation = this.#creation;
    if (creation === undefined || clock.now() - creation.sinceMs >= MOST_WAITS * requestTimeoutMs) return;
    creation.timer.cancel();
    creation.timer = this.#creationTimer();
  }

  /** A watch is open, so silence may mean that the stream is dead. */
  begin(): void {
    if (this.#options.ask !== undefined && !this.#stopped) this.#next ??= this.#wait();
  }

  /** Probes now, unless a response is due anyway. The usual timeout applies. */
  ask(): void {
    if (this.#asked > 0 || this.#next === undefined || this.#stopped) return;
    this.#next.cancel();
    this.#askAndWait();
  }

  stop(): void {
    this.#stopped = true;
    this.#next?.cancel();
    this.#creation?.timer.cancel();
  }

  #wait(): Timer {
    const { clock, address, requestTimeoutMs, dead } = this.#options;
    // An etcd that is allowed longer response times is probed less often.
    const progressMs = Math.max(PROGRESS_MS, requestTimeoutMs / 2);
    return clock.timer(progressMs, () => {
      if (this.#asked === 2) {
        const silence = `the watch reported no progress for ${2 * progressMs} ms`;
        return dead(new EtcdError(`etcd at ${address}: ${silence}`, "transient"));
      }
      this.#askAndWait();
    });
  }

  #askAndWait(): void {
    this.#asked++;
    this.#options.ask?.(this.#asked);
    if (!this.#stopped) this.#next = this.#wait();
  }

  #creationTimer(): Timer {
    const { clock, address, requestTimeoutMs, dead } = this.#options;
    const late = () =>
      dead(new WatchTimeout(`etcd at ${address}: the watch was not created within ${requestTimeoutMs} ms`));
    return clock.timer(requestTimeoutMs, late);
  }
}
