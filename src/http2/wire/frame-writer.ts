import { copy, writeUint32 } from "./bytes.ts";
import { CONNECTION_PREFACE, FRAME_HEADER_BYTES, writeFrameHeader, writeSetting } from "./frame.ts";
import { FrameBuffer } from "./frame-buffer.ts";
import * as Flag from "./frame-flag.ts";
import * as FrameType from "./frame-type.ts";
import { GatheredContent } from "./gathered-content.ts";

export type { ScheduleFlush } from "./frame-buffer.ts";

/**
 * Serializes outgoing frames. Small pieces of content that a stream sends in one turn of the event loop share DATA
 * frames, except for the first, which may be all.
 */
export class FrameWriter extends FrameBuffer {
  /** The offset of the flags of the newest frame, which is DATA of `lastData`. */
  #lastDataFlags = 0;
  readonly #gathered = new GatheredContent();
  /** Where the content goes for which {@link content} made room. */
  into: Uint8Array = this.slab;

  /** A client's preface (RFC 9113 section 3.4): the magic bytes, then what {@link settings} sends. */
  preface(settings: readonly (readonly [id: number, value: number])[], windowIncrement: number): void {
    const at = this.room(CONNECTION_PREFACE.length);
    this.slab.set(CONNECTION_PREFACE, at);
    this.settings(settings, windowIncrement);
  }

  /** Sends SETTINGS, and enlarges the connection's window beyond the default. */
  settings(settings: readonly (readonly [id: number, value: number])[], windowIncrement: number): void {
    const at = this.#frame(settings.length * 6, FrameType.SETTINGS, 0, 0);
    settings.forEach(([id, value], i) => writeSetting(this.slab, at + 6 * i, id, value));
    if (windowIncrement > 0) this.windowUpdate(0, windowIncrement);
  }

  /** What was sent before may exceed windows that the peer has made smaller, which apply to all that follows. */
  settingsAck(): void {
    this.frameAll();
    this.#control(0, FrameType.SETTINGS, Flag.ACK, 0);
  }

  /** Sends a PING with a payload of 8 bytes. */
  ping(payload: Uint8Array): void {
    const at = this.#control(8, FrameType.PING, 0, 0);
    this.lastBuffered = 0;
    copy(payload, 0, 8, this.slab, at);
  }

  /** Acknowledges the peer's PING with its own 8 bytes. */
  pingAck(payload: Uint8Array, start: number): void {
    const at = this.#control(8, FrameType.PING, Flag.ACK, 0);
    copy(payload, start, start + 8, this.slab, at);
  }

  windowUpdate(streamId: number, increment: number): void {
    // Make room first: it may be in a new slab.
    const at = this.#control(4, FrameType.WINDOW_UPDATE, 0, streamId);
    writeUint32(this.slab, at, increment);
  }

  reset(streamId: number, code: number): void {
    if (this.#gathered.size > 0) this.#frameGathered(streamId);
    // Not a reply that a peer could provoke at will: there is at most one for each stream that had its place.
    const at = this.#frame(4, FrameType.RST_STREAM, 0, streamId);
    this.lastBuffered = 0;
    writeUint32(this.slab, at, code);
  }

  /** The reply to frames of a stream that was never accepted, or that is closed. */
  refuse(streamId: number, code: number): void {
    const at = this.#control(4, FrameType.RST_STREAM, 0, streamId);
    writeUint32(this.slab, at, code);
  }

  /** `lastStreamId`: the last stream of the peer's that was or may be processed. A client allows its peer none. */
  goaway(code: number, debug: string, lastStreamId = 0): void {
    const text = new TextEncoder().encode(debug.slice(0, 200));
    const at = this.#frame(8 + text.length, FrameType.GOAWAY, 0, 0);
    writeUint32(this.slab, at, lastStreamId);
    writeUint32(this.slab, at + 4, code);
    this.slab.set(text, at + 8);
  }

  /** Sections 6.2 and 6.10: HEADERS, and CONTINUATION for what exceeds the peer's frame size. */
  headers(
    streamId: number,
    template: Uint8Array,
    literals: readonly Uint8Array[],
    maxFrameSize: number,
    flags: number = 0,
  ): void {
    if (this.#gathered.size > 0) this.#frameGathered(streamId);
    let length = template.length;
    for (let i = 0; i < literals.length; i++) length += literals[i]!.length;
    if (length <= maxFrameSize) {
      let at = this.#frame(length, FrameType.HEADERS, flags | Flag.END_HEADERS, streamId);
      this.lastBuffered = streamId;
      at = copy(template, 0, template.length, this.slab, at);
      for (let i = 0; i < literals.length; i++) at = copy(literals[i]!, 0, literals[i]!.length, this.slab, at);
      return;
    }
    const block = new Uint8Array(length);
    let at = copy(template, 0, template.length, block, 0);
    for (const literal of literals) at = copy(literal, 0, literal.length, block, at);
    for (let from = 0; from < length; from += maxFrameSize) {
      const to = Math.min(length, from + maxFrameSize);
      const type = from === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
      const last = to === length ? Flag.END_HEADERS : 0;
      const into = this.#frame(to - from, type, from === 0 ? flags | last : last, streamId);
      this.lastBuffered = streamId;
      copy(block, from, to, this.slab, into);
    }
  }

  /** A piece of content in two parts. */
  data(streamId: number, head: Uint8Array, body: Uint8Array, end: boolean): void {
    const at = this.content(streamId, head.length + body.length, end, false);
    copy(body, 0, body.length, this.into, copy(head, 0, head.length, this.into, at));
  }

  /**
   * Makes room for a piece of content in {@link into}, to be filled immediately from the returned offset: in a frame of
   * its own or, if the stream has sent content since the last write (`again`), in one that the next flush makes.
   */
  content(streamId: number, length: number, end: boolean, again: boolean): number {
    if (again && !end) {
      this.schedule();
      const gathered = this.#gathered.add(streamId, length);
      if (gathered !== undefined) {
        this.dataFrames++;
        this.into = gathered.bytes;
        return gathered.length - length;
      }
    }
    const at = this.dataFrame(streamId, length, end);
    this.into = this.slab;
    return at;
  }

  /** Makes room for the payload of one DATA frame in {@link slab}, to be filled immediately from the returned offset. */
  dataFrame(streamId: number, length: number, end: boolean): number {
    if (this.#gathered.size > 0) this.#frameGathered(streamId);
    if (length > 0) this.dataFrames++;
    return this.#data(streamId, length, end);
  }

  #data(streamId: number, length: number, end: boolean): number {
    const at = this.#frame(length, FrameType.DATA, end ? Flag.END_STREAM : 0, streamId);
    this.lastBuffered = streamId;
    this.lastData = end ? 0 : streamId;
    this.#lastDataFlags = at - 5;
    return at;
  }

  /** Makes a frame of what was gathered of a stream, which comes before whatever else the stream sends. */
  #frameGathered(streamId: number): void {
    const gathered = this.#gathered.take(streamId);
    if (gathered === undefined) return;
    // Make room first: it may be in a new slab.
    const at = this.#data(streamId, gathered.length, false);
    copy(gathered.bytes, 0, gathered.length, this.slab, at);
    this.#gathered.again(gathered);
  }

  protected frameAll(): void {
    // An iterator, too, would cost each flush something.
    if (this.#gathered.size > 0) { for (const id of this.#gathered.keys()) this.#frameGathered(id); }
  }

  /** Ends a stream: on its last DATA frame if that is not written yet, otherwise with an empty one. */
  endStream(streamId: number): void {
    if (this.#gathered.size > 0) this.#frameGathered(streamId);
    if (this.lastData === streamId) this.slab[this.#lastDataFlags] = Flag.END_STREAM;
    else this.dataFrame(streamId, 0, true);
  }

  #control(length: number, type: number, flags: number, streamId: number): number {
    this.waitingControlBytes += FRAME_HEADER_BYTES + length;
    return this.#frame(length, type, flags, streamId);
  }

  /** Writes a frame's header to the slab and returns the offset of its payload. */
  #frame(length: number, type: number, flags: number, streamId: number): number {
    const at = this.room(FRAME_HEADER_BYTES + length);
    writeFrameHeader(this.slab, at, length, type, flags, streamId);
    return at + FRAME_HEADER_BYTES;
  }
}
