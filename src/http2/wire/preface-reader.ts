import { ErrorCode, Http2Error } from "./error.ts";
import { CONNECTION_PREFACE } from "./frame.ts";

const NOTHING = new Uint8Array(0);

/** Reads what a client sends before its first frame (RFC 9113 section 3.4), however it is split into chunks. */
export class PrefaceReader {
  #read = 0;

  /** Whether all of it arrived. */
  get done(): boolean {
    return this.#read === CONNECTION_PREFACE.length;
  }

  /**
   * Returns what follows the preface in this chunk.
   *
   * @throws Http2Error if these are other bytes
   */
  read(chunk: Uint8Array): Uint8Array {
    for (let at = 0; at < chunk.length; at++) {
      if (this.done) return chunk.subarray(at);
      if (chunk[at] === CONNECTION_PREFACE[this.#read++]) continue;
      throw new Http2Error(ErrorCode.PROTOCOL_ERROR, "the client doesn't begin with HTTP/2's preface");
    }
    return NOTHING;
  }
}
