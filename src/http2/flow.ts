import { ErrorCode, Http2Error } from "./error.ts";
import { DEFAULT_WINDOW, MAX_WINDOW } from "./frame.ts";

/** A window that the peer may send into (RFC 9113 section 6.9): shrinks with what comes, grows when that was taken. */
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

  /** Section 6.9.2: the initial window size changed while the window was in use. */
  resize(size: number): void {
    this.#left += size - this.#size;
    this.#size = size;
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
