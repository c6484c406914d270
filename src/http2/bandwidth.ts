// Estimating the bandwidth-delay product of a connection.

import type { Clock } from "../time/clock.ts";
import type { FrameWriter } from "./wire/frame-writer.ts";

/** The payload of the PINGs that measure; keepalive's is all zeros. */
const PAYLOAD: Uint8Array = new TextEncoder().encode("bdp-ping");
/** The pause after a measurement that changed nothing, doubled each time. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** After this long without a need to measure, the estimate is dropped. */
const IDLE_MS = 10_000;
/** The factor by which the best rate decays after a slower round trip that filled the window. */
const FADE = 0.9;

/**
 * Estimates the bandwidth-delay product as gRPC's other clients do: by the bytes that arrive between a PING and its
 * acknowledgement. Servers limit PINGs, but don't count those in response to DATA: so a PING is sent only when DATA
 * arrives, one at a time, and only while a stream uses up half of its window.
 */
export class Bandwidth {
  /** Twice the bytes of the best round trip, so that a window of this size never runs empty; 0 if unknown. */
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

  /** DATA arrived. A measurement that is due starts with it, so that the rest of the same window is counted. */
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

  /** A stream used half of its window: the next DATA is measured, unless some was recently. */
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

  /** Whether an acknowledged PING is the one that was sent; if so, updates the estimate. */
  answered(payload: Uint8Array, start: number): boolean {
    if (!this.#asking || !PAYLOAD.every((byte, i) => payload[start + i] === byte)) return false;
    this.#asking = false;
    const now = this.#clock.now();
    const rate = this.#sample / Math.max(now - this.#sentAt, 0.01);
    // Otherwise the window was not what limited the server.
    const filled = 3 * this.#sample >= 2 * this.bytes;
    // A longer round trip also carries more bytes: only a higher rate justifies a larger window.
    if (filled && rate >= this.#most && 2 * this.#sample > this.bytes) {
      this.bytes = 2 * this.#sample;
      this.#most = rate;
      this.#pauseMs = 0;
    } else {
      // A single round trip may be slow because this side or the server was busy: the best rate only decays.
      if (filled) this.#most *= FADE;
      this.#pauseMs = filled ? FIRST_PAUSE_MS : Math.min(Math.max(FIRST_PAUSE_MS, 2 * this.#pauseMs), LONGEST_PAUSE_MS);
    }
    this.#nextAt = now + this.#pauseMs;
    return true;
  }
}
