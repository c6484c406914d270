import type { Clock } from "../time/clock.ts";
import type { FrameWriter } from "./wire/frame-writer.ts";

/** The pings that measure; keepalive's hold zeros. */
const PAYLOAD: Uint8Array = new TextEncoder().encode("bdp-ping");
/** After a measurement that showed nothing new: the pause before the next, doubled each time, … */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** … and after so long without need of one, what was measured is forgotten. */
const IDLE_MS = 10_000;
/** What is left of the best rate after a round trip that filled the window and was slower. */
const FADE = 0.9;

/**
 * How many bytes are on their way to this side at a time: bandwidth × delay, measured as gRPC's other clients do, by what
 * comes between a PING and its answer. Servers count pings, but none that answers DATA: so one is sent only as DATA comes,
 * one at a time, and only while a stream's window is used up by halves.
 */
export class Bandwidth {
  /** Twice what came in the best round trip, so that a window of so many bytes never empties; 0: unknown. */
  bytes = 0;
  readonly #clock: Clock;
  readonly #writer: FrameWriter;
  #asking = false;
  #wanted = false;
  #sample = 0;
  #sentAt = 0;
  #most = 0;
  #nextAt = 0;
  #pauseMs = 0;
  #usedAt = 0;

  constructor(clock: Clock, writer: FrameWriter) {
    this.#clock = clock;
    this.#writer = writer;
  }

  /** DATA came: a measurement that is wanted begins with it, so that what follows it in the same window is seen. */
  received(bytes: number): void {
    if (this.#asking) {
      this.#sample += bytes;
    } else if (this.#wanted) {
      this.#wanted = false;
      this.#asking = true;
      this.#sample = bytes;
      this.#sentAt = this.#clock.now();
      this.#writer.ping(PAYLOAD);
    }
  }

  /** A stream used half of its window: the next DATA is measured, unless some was lately. */
  use(): void {
    const now = this.#clock.now();
    if (now - this.#usedAt > IDLE_MS) {
      this.bytes =
        this.#most =
        this.#nextAt =
        this.#pauseMs =
          0;
    }
    this.#usedAt = now;
    this.#wanted = !this.#asking && now >= this.#nextAt;
  }

  /** Whether an acknowledged PING is the one that was sent. */
  answered(payload: Uint8Array, start: number): boolean {
    if (!this.#asking || !PAYLOAD.every((byte, i) => payload[start + i] === byte)) return false;
    this.#asking = false;
    const now = this.#clock.now();
    const rate = this.#sample / Math.max(now - this.#sentAt, 0.01);
    // Else the window was not what held the server back.
    const filled = 3 * this.#sample >= 2 * this.bytes;
    // A longer round trip also brings more: only a faster path is worth a larger window.
    if (filled && rate >= this.#most && 2 * this.#sample > this.bytes) {
      this.bytes = 2 * this.#sample;
      this.#most = rate;
      this.#pauseMs = 0;
    } else {
      // A single round trip may have been slow because this side, or the server, was busy: the best one fades.
      if (filled) this.#most *= FADE;
      this.#pauseMs = filled ? FIRST_PAUSE_MS : Math.min(Math.max(FIRST_PAUSE_MS, 2 * this.#pauseMs), LONGEST_PAUSE_MS);
    }
    this.#nextAt = now + this.#pauseMs;
    return true;
  }
}
