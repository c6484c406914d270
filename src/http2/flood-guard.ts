// Detecting floods of frames that serve no call (RFC 9113 section 10.5).

import type { Clock } from "../time/clock.ts";

/** How many bytes of replies (acknowledgements, window updates) may be buffered for a peer that doesn't read. */
export const MAX_WAITING_CONTROL_BYTES: number = 64 * 1024;

/** Flood limit: at most this many frames that serve no call … */
const MAX_FRAMES = 10_000;
/** … in this many milliseconds … */
const PERIOD_MS = 10_000;
/** … unless at least this many useful frames passed in the same time. */
const ENOUGH_USEFUL = MAX_FRAMES / 2;

/**
 * Tells a flood (RFC 9113 section 10.5) from legitimate traffic. PING, acknowledgements, PRIORITY, empty DATA, frames
 * on closed streams, frames of unknown types and header sections that are too large all cost work and serve no call. A well-behaved server sends a few with
 * each call, and gRPC servers send one PING per round trip with content, to measure the bandwidth; so these frames are
 * weighed against the useful frames of the same time, whichever side sent those.
 */
export class FloodGuard {
  readonly #clock: Clock;
  readonly #sent: { readonly dataFrames: number };
  #useless = 0;
  #useful = 0;
  #since: number | undefined;
  #sentBefore = 0;

  /** `sent.dataFrames` counts the DATA frames with content that this side has sent so far. */
  constructor(clock: Clock, sent: { readonly dataFrames: number }) {
    this.#clock = clock;
    this.#sent = sent;
  }

  /** Counts a frame that serves a call. */
  useful(): void {
    this.#useful++;
  }

  /** Counts a frame that serves no call, at the cost of one or more. Returns false if it is a flood. */
  useless(cost: number): boolean {
    if (this.#useless === 0) this.#since = this.#clock.now();
    this.#useless += cost;
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
 * Limits the rate of SETTINGS and GOAWAY, whatever the number of useful frames: they concern all streams at once, and
 * no number of calls needs many. gRPC's C-core servers, which adjust their windows as they measure the bandwidth, send
 * about ten a second.
 */
export class RateGuard {
  readonly #clock: Clock;
  #count = 0;
  #since = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts a frame, at the cost of one or more. Returns false if there were too many in too short a time. */
  count(cost: number): boolean {
    if (this.#count === 0) this.#since = this.#clock.now();
    this.#count += cost;
    if (this.#count < MAX_FRAMES) return true;
    if (this.#clock.now() - this.#since < PERIOD_MS) return false;
    this.#count = 0;
    return true;
  }
}
