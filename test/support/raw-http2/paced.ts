import { FrameType, Setting } from "./frame.ts";
import type { RawSession } from "./session.ts";

const DEFAULT_WINDOW = 65_535;
const FRAME_BYTES = 16_384;

/** Sends DATA as any right server does: never more than the client's flow-control windows have room for. */
export async function sendPaced(session: RawSession, streamId: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const room = Math.min(window(session, streamId), window(session, 0)) - at;
    if (room <= 0) {
      await session.read((frame) => frame.type === FrameType.windowUpdate || frame.type === FrameType.settings);
      continue;
    }
    const part = bytes.subarray(at, at + Math.min(room, FRAME_BYTES));
    session.data(streamId, part);
    at += part.length;
  }
}

/** All that the client ever allowed on a stream, or on the connection (0). */
function window(session: RawSession, streamId: number): number {
  let bytes = streamId === 0 ? DEFAULT_WINDOW : session.setting(Setting.initialWindowSize) ?? DEFAULT_WINDOW;
  for (const { type, streamId: id, payload } of session.received) {
    if (type !== FrameType.windowUpdate || id !== streamId) continue;
    bytes += new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0) & 0x7fff_ffff;
  }
  return bytes;
}
