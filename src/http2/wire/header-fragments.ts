import { Http2Error } from "./error.ts";
import * as ErrorCode from "./error-code.ts";
import { DEFAULT_MAX_FRAME_SIZE } from "./frame.ts";

const NOTHING = new Uint8Array(0);

/**
 * A header block split across frames: HEADERS, then CONTINUATION (RFC 9113 section 6.10). It is bounded in frames and
 * bytes: otherwise a peer could send one endless header block.
 */
export class HeaderFragments {
  /** The stream whose block is incomplete, or 0. */
  streamId = 0;
  /** Whether the block's HEADERS had END_STREAM. */
  endStream = false;
  readonly #maxBytes: number;
  readonly #maxFrames: number;
  #bytes: Uint8Array = NOTHING;
  #length = 0;
  #frames = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    // A block of 64 KiB takes 4 frames of the usual size.
    this.#maxFrames = Math.max(64, 4 * Math.ceil(maxBytes / DEFAULT_MAX_FRAME_SIZE));
  }

  /** HEADERS without END_HEADERS arrived. */
  begin(streamId: number, endStream: boolean): void {
    this.streamId = streamId;
    this.endStream = endStream;
    this.#length = this.#frames = 0;
  }

  /** Adds a frame's part of the block. @throws Http2Error ENHANCE_YOUR_CALM above the bounds. */
  add(from: Uint8Array, start: number, end: number): void {
    const length = this.#length + end - start;
    if (++this.#frames > this.#maxFrames || length > this.#maxBytes) {
      throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "a header block is too large or in too many frames");
    }
    if (this.#bytes.length < length) {
      const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(from.subarray(start, end), this.#length);
    this.#length = length;
  }

  /** The block is complete: returns its bytes and is free for the next. */
  take(): Uint8Array {
    const block = this.#bytes.subarray(0, this.#length);
    this.clear();
    return block;
  }

  /** Drops what arrived. */
  clear(): void {
    this.#bytes = NOTHING;
    this.streamId = 0;
  }
}
