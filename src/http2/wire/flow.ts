// Flow-control windows (RFC 9113 sections 5.2 and 6.9).

import { Http2Error } from "./error.ts";
import * as ErrorCode from "./error-code.ts";
import { DEFAULT_WINDOW, MAX_WINDOW } from "./frame.ts";

/** The connection's receive window (RFC 9113 section 6.9): shrinks as bytes arrive, grows as they are taken. */
export class ReceiveWindow {
  #size: number;
  #left: number;
  #taken = 0;

  constructor(size: number) {
    this.#size = size;
    this.#left = size;
  }

  /** What the peer may still send. */
  get left(): number {
    return this.#left;
  }

  /** Counts a frame's flow-controlled length. Returns false if the peer exceeded the window. */
  receive(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /**
   * Counts bytes as taken and returns the increment to send in a WINDOW_UPDATE, and to `grow` by: 0 until half of the
   * window is due.
   */
  take(bytes: number): number {
    this.#taken += bytes;
    if (this.#taken * 2 < this.#size) return 0;
    const increment = this.#taken;
    this.#taken = 0;
    return increment;
  }

  /** The peer may send more. */
  grow(increment: number): void {
    this.#left += increment;
  }
}

/** A stream's receive window: the base that every stream has, and what is lent to it beyond that. */
export class StreamWindow {
  #base: number;
  /**
   * Base and loan: the sum of what may still arrive, what arrived but was not taken, and what was taken but not
   * credited.
   */
  #size: number;
  #left: number;
  #taken = 0;
  #read = 0;

  constructor(base: number) {
    this.#base = this.#size = this.#left = base;
  }

  get base(): number {
    return this.#base;
  }
  /** What is lent to it. */
  get loan(): number {
    return this.#size - this.#base;
  }
  /** What the peer may still send. */
  get left(): number {
    return this.#left;
  }
  /** How many bytes its reader has taken in total. */
  get read(): number {
    return this.#read;
  }
  /** How many bytes arrived and were not taken. */
  get unread(): number {
    return this.#size - this.#left - this.#taken;
  }

  /** Counts a frame's flow-controlled length. Returns false if the peer exceeded the window. */
  receive(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** Counts bytes as taken. Returns whether half of the window is due. */
  take(bytes: number): boolean {
    this.#taken += bytes;
    this.#read += bytes;
    return this.#taken * 2 >= this.#size;
  }

  /**
   * Resizes the window and returns the increment to send in a WINDOW_UPDATE; 0 if the window is still larger than
   * `size`, and only shrinks by what was taken.
   */
  renew(size: number): number {
    const increment = Math.max(0, this.#taken + size - this.#size);
    this.#size += increment - this.#taken;
    this.#left += increment;
    this.#taken = 0;
    return increment;
  }

  /** Lends more bytes and returns the increment to send in a WINDOW_UPDATE. */
  lend(bytes: number): number {
    return this.renew(this.#size + bytes);
  }

  /** Section 6.9.2: the initial window size changed while the window was in use. */
  resize(base: number): void {
    this.#left += base - this.#base;
    this.#size += base - this.#base;
    this.#base = base;
  }
}

/** The send window of the whole connection. */
export class SendWindow {
  left: number = DEFAULT_WINDOW;

  /** A WINDOW_UPDATE on stream 0. @throws Http2Error FLOW_CONTROL_ERROR above 2³¹−1 (section 6.9.1). */
  grow(increment: number): void {
    this.left += increment;
    if (this.left > MAX_WINDOW) {
      throw new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window overflowed");
    }
  }
}
