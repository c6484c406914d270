import { ErrorCode, Http2Error } from "./error.ts";
import { DEFAULT_WINDOW, MAX_WINDOW } from "./frame.ts";

/** The connection's window that the peer may send into (RFC 9113 section 6.9): shrinks with what comes, grows when that was taken. */
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

  /** Counts a frame's flow-controlled length; false: the peer sent more than it was allowed to. */
  receive(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** Counts bytes as taken and returns the WINDOW_UPDATE to send, and to `grow` by: 0 until half of the window is due. */
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

/** A stream's window: one that every stream has, its base, and what is lent to it beyond. */
export class StreamWindow {
  #base: number;
  /** Base and loan: what may come, what came and was not taken, and what was taken and not given back yet. */
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
  /** How many bytes its reader ever took. */
  get read(): number {
    return this.#read;
  }
  /** How many came and were not taken. */
  get unread(): number {
    return this.#size - this.#left - this.#taken;
  }

  /** Counts a frame's flow-controlled length; false: the peer sent more than it was allowed to. */
  receive(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** Counts bytes as taken; whether half of the window is due. */
  take(bytes: number): boolean {
    this.#taken += bytes;
    this.#read += bytes;
    return this.#taken * 2 >= this.#size;
  }

  /** Brings the window to a size and returns the WINDOW_UPDATE to send; 0 if it is larger, and has only shrunk by now. */
  renew(size: number): number {
    const increment = Math.max(0, this.#taken + size - this.#size);
    this.#size += increment - this.#taken;
    this.#left += increment;
    this.#taken = 0;
    return increment;
  }

  /** Lends so many bytes more and returns the WINDOW_UPDATE to send. */
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

/** The window of the whole connection that this side sends into. */
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
