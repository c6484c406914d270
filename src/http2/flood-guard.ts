import type { Clock } from "../time/clock.ts";

/** How many bytes of answers (acknowledgements, window updates) may wait for a peer that doesn't read. */
export const MAX_WAITING_CONTROL_BYTES: number = 64 * 1024;

/** The flood limit: at most so many frames that serve no call, … */
const MAX_FRAMES = 10_000;
/** … per so many milliseconds, … */
const PERIOD_MS = 10_000;
/** … unless at least so many useful frames passed meanwhile. */
const ENOUGH_USEFUL = MAX_FRAMES / 2;

/**
 * Tells a flood (RFC 9113 section 10.5) from honest traffic: PING, acknowledgements, PRIORITY, DATA without content, frames of
 * closed streams and of unknown types all cost work and serve no call. An honest server sends some with each call, and
 * gRPC servers one PING per round trip in which content came or went, to measure the bandwidth; so they count against
 * the useful frames of the same time, whichever side sent those.
 */
export class FloodGuard {
  readonly #clock: Clock;
  readonly #sent: { readonly dataFrames: number };
  #useless = 0;
  #useful = 0;
  #since: number | undefined;
  #sentBefore = 0;

  /** `sent` counts the DATA frames with content that this side ever sent. */
  constructor(clock: Clock, sent: { readonly dataFrames: number }) {
    this.#clock = clock;
    this.#sent = sent;
  }

  /** Counts a frame that serves a call. */
  useful(): void {
    this.#useful++;
  }

  /** Counts a frame that serves none; false: it is a flood. */
  useless(): boolean {
    if (this.#useless++ === 0) this.#since = this.#clock.now();
    if (this.#useless < MAX_FRAMES) return true;
    const sent = this.#sent.dataFrames;
    const useful = this.#useful + sent - this.#sentBefore;
    if (useful < ENOUGH_USEFUL && this.#clock.now() - this.#since! < PERIOD_MS) return false;
    this.#useless = 0;
    this.#useful = 0;
    this.#sentBefore = sent;
    return true;
  }
}

/**
 * Bounds the rate of SETTINGS and GOAWAY, which useful frames don't excuse: they concern all streams at once, and no amount
 * of calls needs many. gRPC's C servers, which change their windows as they measure the bandwidth, send some ten a second.
 */
export class RateGuard {
  readonly #clock: Clock;
  #count = 0;
  #since = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts a frame, which may cost as much as several; false: there were too many in too short a time. */
  count(cost: number): boolean {
    if (this.#count === 0) this.#since = this.#clock.now();
    this.#count += cost;
    if (this.#count < MAX_FRAMES) return true;
    if (this.#clock.now() - this.#since < PERIOD_MS) return false;
    this.#count = 0;
    return true;
  }
}
