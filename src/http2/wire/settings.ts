import * as Setting from "./setting.ts";
import { readUint32 } from "./bytes.ts";
import { Http2Error } from "./error.ts";
import * as ErrorCode from "./error-code.ts";
import { DEFAULT_MAX_FRAME_SIZE, DEFAULT_WINDOW, LARGEST_MAX_FRAME_SIZE, MAX_WINDOW } from "./frame.ts";

/**
 * As many streams as a connection has ids for: more at a time mean no limit. A small integer, since every pick of a
 * connection calculates with the limit, and engines keep other numbers, such as Infinity, in objects.
 */
export const MOST_STREAMS = 0x3fff_ffff;

/** What the peer announced; until then, the defaults of section 6.5.2. */
export class PeerSettings {
  headerTableSize = 4_096;
  /** The smallest of the values in the latest SETTINGS (RFC 7541 section 4.2). */
  leastHeaderTableSize = 4_096;
  maxConcurrentStreams: number = MOST_STREAMS;
  initialWindowSize: number = DEFAULT_WINDOW;
  maxFrameSize: number = DEFAULT_MAX_FRAME_SIZE;
  maxHeaderListSize: number = Infinity;
  readonly #mayEnablePush: boolean;

  constructor(peerName: "client" | "server" = "server") {
    this.#mayEnablePush = peerName === "client";
  }

  /**
   * Applies a SETTINGS frame's payload, in order (section 6.5.3).
   *
   * @throws Http2Error for a value that section 6.5.2 forbids; unknown settings are ignored.
   */
  apply(payload: Uint8Array, start: number, end: number): void {
    this.leastHeaderTableSize = Infinity;
    for (let at = start; at < end; at += 6) {
      const value = readUint32(payload, at + 2);
      switch ((payload[at]! << 8) | payload[at + 1]!) {
        case Setting.HEADER_TABLE_SIZE:
          this.headerTableSize = value;
          this.leastHeaderTableSize = Math.min(value, this.leastHeaderTableSize);
          break;
        case Setting.ENABLE_PUSH: // A server may only send 0. No push follows from a client's 1.
          if (value > (this.#mayEnablePush ? 1 : 0)) {
            const whose = this.#mayEnablePush ? "client" : "server";
            throw new Http2Error(ErrorCode.PROTOCOL_ERROR, `SETTINGS: a ${whose} sent ENABLE_PUSH ${value}`);
          }
          break;
        case Setting.MAX_CONCURRENT_STREAMS:
          this.maxConcurrentStreams = Math.min(value, MOST_STREAMS);
          break;
        case Setting.INITIAL_WINDOW_SIZE:
          if (value > MAX_WINDOW) {
            throw new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, `SETTINGS: INITIAL_WINDOW_SIZE ${value} is too large`);
          }
          this.initialWindowSize = value;
          break;
        case Setting.MAX_FRAME_SIZE:
          if (value < DEFAULT_MAX_FRAME_SIZE || value > LARGEST_MAX_FRAME_SIZE) {
            throw new Http2Error(ErrorCode.PROTOCOL_ERROR, `SETTINGS: MAX_FRAME_SIZE ${value} is out of range`);
          }
          this.maxFrameSize = value;
          break;
        case Setting.MAX_HEADER_LIST_SIZE:
          this.maxHeaderListSize = value;
          break;
      }
    }
    this.leastHeaderTableSize = Math.min(this.headerTableSize, this.leastHeaderTableSize);
  }
}
