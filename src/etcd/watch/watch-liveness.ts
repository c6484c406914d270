import type { Clock, Timer } from "../../time/clock.ts";
import { EtcdError, WatchTimeout } from "../driver/failure.ts";

/**
 * How often a stream of watches is asked for a sign of life, in milliseconds. One that was asked twice in vain is dead,
 * so a dead one is found within three times as long.
 */
const PROGRESS_MS = 2_500;
/** How many times `requestTimeoutMs` a watch waits to be created, at most, while events of others come. */
const MOST_WAITS = 10;

/** What a stream of watches is asked by, and told. */
export interface LivenessOptions {
  readonly clock: Clock;
  /** The endpoint's, for errors. */
  readonly address: string;
  /** How long a watch may wait to be created, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** Asks the server for a sign of life; `times` is 1 for the first time since the last one. Undefined: it can't be asked. */
  readonly ask: ((times: number) => void) | undefined;
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
  #awaitsSinceMs = 0;
  #stopped = false;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** The server answered something. */
  heard(): void {
    this.#asked = 0;
  }

  /** A watch waits to be created, and those that waited before go on waiting. */
  awaitsCreation(): void {
    if (this.#creation !== undefined || this.#stopped) return;
    this.#awaitsSinceMs = this.#options.clock.now();
    this.#creation = this.#creationTimer();
  }

  /** A watch was created, or refused. The time of those that still wait, so many, begins. */
  created(waiting: number): void {
    this.#creation?.cancel();
    this.#creation = undefined;
    if (waiting > 0) this.awaitsCreation();
  }

  /** Events came. What is waited for may be behind many of them, but not for ever. */
  events(): void {
    const { clock, requestTimeoutMs } = this.#options;
    if (this.#creation === undefined || clock.now() - this.#awaitsSinceMs >= MOST_WAITS * requestTimeoutMs) return;
    this.#creation.cancel();
    this.#creation = this.#creationTimer();
  }

  /** There is a watch whose silence may be the stream's. */
  begin(): void {
    if (this.#options.ask !== undefined && !this.#stopped) this.#next ??= this.#wait();
  }

  /** Asks now, unless an answer is due anyway. The answer may take as long as any other. */
  ask(): void {
    if (this.#asked > 0 || this.#next === undefined || this.#stopped) return;
    this.#next.cancel();
    this.#askAndWait();
  }

  stop(): void {
    this.#stopped = true;
    this.#next?.cancel();
    this.#creation?.cancel();
  }

  #wait(): Timer {
    const { clock, address, requestTimeoutMs, dead } = this.#options;
    // An etcd that may take longer over its answers is asked less often.
    const progressMs = Math.max(PROGRESS_MS, requestTimeoutMs / 2);
    return clock.timer(progressMs, () => {
      if (this.#asked === 2) {
        const silence = `the watch did not say its progress for ${2 * progressMs} ms`;
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
    const late = () => dead(new WatchTimeout(`etcd at ${address}: no watch within ${requestTimeoutMs} ms`));
    return clock.timer(requestTimeoutMs, late);
  }
}
