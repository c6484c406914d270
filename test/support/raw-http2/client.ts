import { connect as connectSocket } from "node:net";
import { HpackDecoder } from "../../../src/http2/wire/hpack-decoder.ts";
import { CLIENT_PREFACE, concat, Flag, FrameType, type RawFrame, Setting } from "./frame.ts";
import type { Field } from "./header-block.ts";
import { RawSession } from "./session.ts";

/** More than anything fills, and with room below what HTTP/2 allows. */
const LARGE_WINDOW = 0x7000_0000;

/** What came of a request, as it stood on the wire. */
export interface RawReply {
  /** Header sections in order: the headers (with `:status`), then the trailers; informational ones stand before. */
  readonly sections: (readonly Field[])[];
  /** All DATA. */
  readonly body: Uint8Array;
  /** Whether the server ended the stream by END_STREAM. */
  readonly ended: boolean;
  /** The code of a RST_STREAM. */
  readonly reset: number | undefined;
  /** The code of a GOAWAY, if it isn't NO_ERROR. */
  readonly goaway: number | undefined;
  /** The connection ended before the stream did. */
  readonly lost: boolean;
}

/** A scripted client: like a {@link RawSession}, at the other end. */
export class RawClient extends RawSession {
  #next = 1;
  readonly #hpack = new HpackDecoder(4_096, 1 << 20);
  readonly #sections = new Map<number, (readonly Field[])[]>();
  #decoded = 0;
  /** A header block of which CONTINUATION frames are still to come. */
  #block: Uint8Array | undefined;

  override raw(bytes: Uint8Array | string): void {
    super.raw(bytes);
    // Nothing is read, and so nothing acknowledged, before this side has spoken: its preface must come first.
    this.socket.resume();
  }

  /** The next stream id that a client may use. */
  nextId(): number {
    const id = this.#next;
    this.#next += 2;
    return id;
  }

  /** Says what every client says first, with windows that nothing fills, and waits for the server's SETTINGS. */
  override async handshake(
    settings: readonly (readonly [id: number, value: number])[] = [[Setting.initialWindowSize, LARGE_WINDOW]],
  ): Promise<void> {
    this.raw(CLIENT_PREFACE);
    this.settings(settings);
    this.windowUpdate(0, LARGE_WINDOW);
    await this.read((frame) => frame.type === FrameType.settings && (frame.flags & Flag.ack) === 0);
  }

  /** Waits for the end of a stream, of the connection, or for a GOAWAY that names an error. */
  async reply(id: number): Promise<RawReply> {
    for (;;) {
      const reply = this.#replySoFar(id);
      if (reply.ended || reply.reset !== undefined || reply.goaway !== undefined) return reply;
      if (this.clientLeft) return { ...reply, lost: true };
      await this.news();
    }
  }

  #replySoFar(id: number): RawReply {
    this.#decodeAll();
    const data: Uint8Array[] = [];
    let ended = false, reset: number | undefined, goaway: number | undefined;
    for (const { type, flags, streamId, payload } of this.received) {
      const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
      if (type === FrameType.goaway && view.getUint32(4) !== 0) goaway ??= view.getUint32(4);
      if (streamId !== id) continue;
      if (type === FrameType.data) data.push(withoutPadding(flags, payload));
      if (type === FrameType.rstStream) reset ??= view.getUint32(0);
      if (type === FrameType.data || type === FrameType.headers) ended ||= (flags & Flag.endStream) !== 0;
    }
    // END_STREAM on a HEADERS frame counts when its block is whole.
    ended &&= this.#block === undefined;
    return { sections: this.#sections.get(id) ?? [], body: concat(...data), ended, reset, goaway, lost: false };
  }

  /** Header blocks must be decoded in the order they came, whatever stream they are of. */
  #decodeAll(): void {
    for (let frame; (frame = this.received[this.#decoded]) !== undefined; this.#decoded++) this.#decode(frame);
  }

  #decode({ type, flags, streamId, payload }: RawFrame): void {
    if (type !== FrameType.headers && type !== FrameType.continuation) return;
    let fragment = payload;
    if (type === FrameType.headers) {
      fragment = withoutPadding(flags, payload);
      if ((flags & Flag.priority) !== 0) fragment = fragment.subarray(5);
    }
    const block = concat(this.#block ?? new Uint8Array(0), fragment);
    this.#block = (flags & Flag.endHeaders) === 0 ? block : undefined;
    if (this.#block !== undefined) return;
    const { status, fields } = this.#hpack.decode(block, 0, block.length);
    const section: Field[] = status === 0 ? [] : [[":status", String(status)]];
    for (let i = 0; i < fields.length; i += 2) section.push([fields[i]!, fields[i + 1]!]);
    this.#sections.set(streamId, [...this.#sections.get(streamId) ?? [], section]);
  }
}

function withoutPadding(flags: number, payload: Uint8Array): Uint8Array {
  return (flags & Flag.padded) === 0 ? payload : payload.subarray(1, payload.length - payload[0]!);
}

/** Connects a scripted client; it has said nothing yet. */
export function connectRaw(port: number): Promise<RawClient> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      const client = new RawClient(socket, { preface: false });
      socket.pause();
      resolve(client);
    });
  });
}
