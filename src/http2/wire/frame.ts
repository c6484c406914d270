import { writeUint32 } from "./bytes.ts";
import * as Flag from "./frame-flag.ts";
import * as FrameType from "./frame-type.ts";

// Bundlers inline the constants of files that import these modules themselves.
export * as Flag from "./frame-flag.ts";
export * as FrameType from "./frame-type.ts";

/** Section 4.1: every frame begins with length (24 bits), type, flags and stream id (31 bits). */
export const FRAME_HEADER_BYTES = 9;
/** Section 6.5.2: the default of SETTINGS_MAX_FRAME_SIZE, and its smallest value. */
export const DEFAULT_MAX_FRAME_SIZE = 16_384;
/** Section 6.5.2: the largest value of SETTINGS_MAX_FRAME_SIZE. */
export const LARGEST_MAX_FRAME_SIZE = 0xff_ffff;
/** Section 5.1.1: ids have 31 bits. */
export const MAX_STREAM_ID = 0x7fff_ffff;
/** Section 6.9.1: the largest flow-control window. */
export const MAX_WINDOW = 0x7fff_ffff;
/** Section 6.9.2: the initial window before any SETTINGS or WINDOW_UPDATE. */
export const DEFAULT_WINDOW = 65_535;

/** Section 3.4: what a client sends before its first frame. */
export const CONNECTION_PREFACE: Uint8Array = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Writes a frame header at an offset. */
export function writeFrameHeader(
  into: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  into[at] = length >>> 16;
  into[at + 1] = length >>> 8;
  into[at + 2] = length;
  into[at + 3] = type;
  into[at + 4] = flags;
  writeUint32(into, at + 5, streamId);
}

/** Whether a frame may have this length: section 6 sets an exact or a least length for most types. */
export function isFrameLength(type: number, flags: number, length: number): boolean {
  switch (type) {
    case FrameType.HEADERS:
      return length >= ((flags & Flag.PADDED) !== 0 ? 1 : 0) + ((flags & Flag.PRIORITY) !== 0 ? 5 : 0);
    case FrameType.PRIORITY:
      return length === 5;
    case FrameType.RST_STREAM:
    case FrameType.WINDOW_UPDATE:
      return length === 4;
    case FrameType.SETTINGS:
      return length % 6 === 0 && ((flags & Flag.ACK) === 0 || length === 0);
    case FrameType.PING:
      return length === 8;
    case FrameType.GOAWAY:
      return length >= 8;
    default:
      return true;
  }
}

/** Writes one setting of a SETTINGS frame (section 6.5.1) at an offset. */
export function writeSetting(into: Uint8Array, at: number, id: number, value: number): void {
  into[at] = id >>> 8;
  into[at + 1] = id;
  writeUint32(into, at + 2, value);
}
