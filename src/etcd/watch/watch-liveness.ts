import type { Clock, Timer } from "../../time/clock.ts";
import { EtcdError, WatchTimeout } from "../driver/failure.ts";

/**
 * How often a stream of watches is asked for a sign of life, in milliseconds. One that was asked twice in vain is dead,
 * so a dead one is found within three times as long.
 */
const PROGRESS_MS = 2_500;

/** What a stream of watches is asked by, and told. */
export interface LivenessOptions {
  readonly clock: Clock;
  /** The endpoint's, for errors. */
  readonly address: string;
  /** How long a watch may wait to be created, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** Asks the server for a sign of life. Undefined: it can't be asked. */
  readonly ask: (() => void) | undefined;
  /** The stream is dead; says of what. */
  readonly dead: (cause: EtcdError) => void;
}

/** Tells a dead stream of watches from a quiet one. */
export class WatchLiveness {
  readonly #options: LivenessOptions;
  /** How often it was asked since the last sign of life. */
  #asked = 0;
  #next: Timer | undefined;
  /** Runs while a watch waits to be created. */
  #creation: Timer | undefined;
  #stopped = false;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** The server answered something. */
  heard(): void {
    this.#asked = 0;
  }

  /**
   * Whether watches wait to be created; said anew with each response that tells of watches, as the answer may come behind
   * many events of others.
   */
  awaitsCreation(awaits: boolean): void {
    this.#creation?.cancel();
    if (this.#stopped) return;
    const { clock, address, requestTimeoutMs, dead } = this.#options;
    const late = () => dead(new WatchTimeout(`etcd at ${address}: no watch within ${requestTimeoutMs} ms`));
    this.#creation = awaits ? clock.timer(requestTimeoutMs, late) : undefined;
  }

  /** There is a watch whose silence may be the stream's. */
  begin(): void {
    if (this.#options.ask !== undefined && !this.#stopped) this.#next ??= this.#wait();
  }

  /** Asks now, unless an answer is due anyway. */
  ask(): void {
    if (this.#asked > 0 || this.#stopped) return;
    this.#asked++;
    this.#options.ask?.();
  }

  stop(): void {
    this.#stopped = true;
    this.#next?.cancel();
    this.#creation?.cancel();
  }

  #wait(): Timer {
    const { clock, address, requestTimeoutMs, ask, dead } = this.#options;
    // An etcd that may take longer over its answers is asked less often.
    const progressMs = Math.max(PROGRESS_MS, requestTimeoutMs / 2);
    return clock.timer(progressMs, () => {
      if (this.#asked === 2) {
        const silence = `the watch did not say its progress for ${2 * progressMs} ms`;
        return dead(new EtcdError(`etcd at ${address}: ${silence}`, "transient"));
      }
      this.#asked++;
      ask?.();
      if (!this.#stopped) this.#next = this.#wait();
    });
  }
}
