// Finding and removing requests whose frames are buffered and not written yet.

import { readUint24, readUint32 } from "./bytes.ts";
import { FRAME_HEADER_BYTES } from "./frame.ts";
import * as FrameType from "./frame-type.ts";

/** Requests whose frames are buffered and not written yet. */
export interface UnsentRequests {
  /** The ids of their streams. */
  readonly ids: ReadonlySet<number>;
  /** How many bytes of their content are among the frames: the windows count them as sent. */
  readonly contentBytes: number;
}

/**
 * Finds the requests whose HEADERS are among these frames. Pieces consist of whole frames, in the order in which they
 * are sent. (There are none until the preface is written: streams are opened after the server's SETTINGS arrived.)
 */
export function findUnsent(pieces: readonly Uint8Array[]): UnsentRequests {
  const ids = new Set<number>();
  let contentBytes = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at = frameEnd(piece, at)) {
      const type = piece[at + 3];
      // A client sends HEADERS once per stream: gRPC's requests have no trailers.
      if (type === FrameType.HEADERS) ids.add(streamId(piece, at));
      else if (type === FrameType.DATA && ids.has(streamId(piece, at))) contentBytes += readUint24(piece, at);
    }
  }
  return { ids, contentBytes };
}

/** Removes the frames of these streams from a piece, in place; returns what is left of it. */
export function without(piece: Uint8Array, ids: ReadonlySet<number>): Uint8Array {
  let left = 0;
  for (let at = 0, next: number; at < piece.length; at = next) {
    next = frameEnd(piece, at);
    if (ids.has(streamId(piece, at))) continue;
    if (left < at) piece.copyWithin(left, at, next);
    left += next - at;
  }
  return piece.subarray(0, left);
}

function frameEnd(piece: Uint8Array, at: number): number {
  return at + FRAME_HEADER_BYTES + readUint24(piece, at);
}

function streamId(piece: Uint8Array, at: number): number {
  return readUint32(piece, at + 5) & 0x7fff_ffff;
}
