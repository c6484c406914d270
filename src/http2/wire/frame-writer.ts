import { copy, writeUint32 } from "./bytes.ts";
import { CONNECTION_PREFACE, FRAME_HEADER_BYTES, writeFrameHeader, writeSetting } from "./frame.ts";
import * as Flag from "./frame-flag.ts";
import * as FrameType from "./frame-type.ts";
import { FIRST_SLAB_BYTES, type FrameOutput, type FullSlab, LARGEST_SLAB_BYTES, Slabs } from "./slabs.ts";
import { findUnsent, without } from "./unsent.ts";
import type { UnsentRequests } from "./unsent.ts";

const NOTHING = new Uint8Array(0);

/**
 * Schedules `flush` once for the end of the current turn of the event loop, however often it is called before that, so
 * that everything buffered in the turn leaves in one write. It may also run `flush` immediately, for what was buffered
 * before. With `one call` on the connection there is nothing to wait for but what follows from the running callback.
 */
export type ScheduleFlush = (flush: () => void, load?: "one call" | "calls") => void;

/**
 * Serializes outgoing frames. They are buffered one after another in a slab of memory, and everything buffered in a
 * turn of the event loop leaves in one write, as writes are what costs most in a small call. Memory is used again once
 * the byte stream says that the system has taken what was written of it, and never if it doesn't say so.
 */
export class FrameWriter {
  readonly #output: FrameOutput;
  readonly #scheduleFlush: ScheduleFlush;
  readonly #slabs: Slabs;
  #slab: Uint8Array = NOTHING;
  #start = 0;
  #end = 0;
  /** The contents of full slabs that wait for the next write, each with the value of `#lastBuffered` at its end. */
  #full: FullSlab[] = [];
  #fullBytes = 0;
  #closed = false;
  /** The offset of the newest frame's flags, if that is DATA of `#lastData` and not written yet. */
  #lastDataFlags = 0;
  #lastData = 0;
  /** Whether the byte stream is full: what is buffered waits for {@link drained}. */
  blocked = false;
  /** Buffered bytes of replies to the peer's frames. */
  waitingControlBytes = 0;
  /** How many times the byte stream was written to. */
  writes = 0;
  /** How many DATA frames with content were buffered. */
  dataFrames = 0;
  /** How many of those left in the last flush that wrote something. */
  dataFramesFlushed = 0;
  #dataFramesBefore = 0;
  /** The stream of the request that the last written frames belong to; 0 if something else was written last. */
  lastSent = 0;
  /** The same for the frames that were buffered last. */
  #lastBuffered = 0;

  constructor(output: FrameOutput, scheduleFlush: ScheduleFlush) {
    this.#output = output;
    this.#slabs = new Slabs(output);
    this.#scheduleFlush = scheduleFlush;
  }

  /** Bytes buffered and not passed to the byte stream yet. */
  get waitingBytes(): number {
    return this.#fullBytes + this.#end - this.#start;
  }

  /** A client's preface (RFC 9113 section 3.4): the magic bytes, then what {@link settings} sends. */
  preface(settings: readonly (readonly [id: number, value: number])[], windowIncrement: number): void {
    const at = this.#reserve(CONNECTION_PREFACE.length);
    this.#slab.set(CONNECTION_PREFACE, at);
    this.settings(settings, windowIncrement);
  }

  /** Sends SETTINGS, and enlarges the connection's window beyond the default. */
  settings(settings: readonly (readonly [id: number, value: number])[], windowIncrement: number): void {
    const at = this.#frame(settings.length * 6, FrameType.SETTINGS, 0, 0);
    settings.forEach(([id, value], i) => writeSetting(this.#slab, at + 6 * i, id, value));
    if (windowIncrement > 0) this.windowUpdate(0, windowIncrement);
  }

  settingsAck(): void {
    this.#control(0, FrameType.SETTINGS, Flag.ACK, 0);
  }

  /** Sends a PING with a payload of 8 bytes. */
  ping(payload: Uint8Array): void {
    const at = this.#control(8, FrameType.PING, 0, 0);
    this.#lastBuffered = 0;
    copy(payload, 0, 8, this.#slab, at);
  }

  /** Acknowledges the peer's PING with its own 8 bytes. */
  pingAck(payload: Uint8Array, start: number): void {
    const at = this.#control(8, FrameType.PING, Flag.ACK, 0);
    copy(payload, start, start + 8, this.#slab, at);
  }

  windowUpdate(streamId: number, increment: number): void {
    // Make room first: it may be in a new slab.
    const at = this.#control(4, FrameType.WINDOW_UPDATE, 0, streamId);
    writeUint32(this.#slab, at, increment);
  }

  reset(streamId: number, code: number): void {
    // Not a reply that a peer could provoke at will: there is at most one for each stream that had its place.
    const at = this.#frame(4, FrameType.RST_STREAM, 0, streamId);
    this.#lastBuffered = 0;
    writeUint32(this.#slab, at, code);
  }

  /** The reply to frames of a stream that was never accepted, or that is closed. */
  refuse(streamId: number, code: number): void {
    const at = this.#control(4, FrameType.RST_STREAM, 0, streamId);
    writeUint32(this.#slab, at, code);
  }

  /** `lastStreamId`: the last stream of the peer's that was or may be processed. A client allows its peer none. */
  goaway(code: number, debug: string, lastStreamId = 0): void {
    const text = new TextEncoder().encode(debug.slice(0, 200));
    const at = this.#frame(8 + text.length, FrameType.GOAWAY, 0, 0);
    writeUint32(this.#slab, at, lastStreamId);
    writeUint32(this.#slab, at + 4, code);
    this.#slab.set(text, at + 8);
  }

  /** Sections 6.2 and 6.10: HEADERS, and CONTINUATION for what exceeds the peer's frame size. */
  headers(
    streamId: number,
    template: Uint8Array,
    literals: readonly Uint8Array[],
    maxFrameSize: number,
    flags: number = 0,
  ): void {
    let length = template.length;
    for (let i = 0; i < literals.length; i++) length += literals[i]!.length;
    if (length <= maxFrameSize) {
      let at = this.#frame(length, FrameType.HEADERS, flags | Flag.END_HEADERS, streamId);
      this.#lastBuffered = streamId;
      at = copy(template, 0, template.length, this.#slab, at);
      for (let i = 0; i < literals.length; i++) at = copy(literals[i]!, 0, literals[i]!.length, this.#slab, at);
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
      this.#lastBuffered = streamId;
      copy(block, from, to, this.#slab, into);
    }
  }

  /** One DATA frame of up to two pieces. */
  data(streamId: number, head: Uint8Array, body: Uint8Array, end: boolean): void {
    const at = this.dataFrame(streamId, head.length + body.length, end);
    copy(body, 0, body.length, this.#slab, copy(head, 0, head.length, this.#slab, at));
  }

  /**
   * Makes room for the payload of one DATA frame in {@link slab}, to be filled immediately from the returned offset.
   */
  dataFrame(streamId: number, length: number, end: boolean): number {
    const at = this.#frame(length, FrameType.DATA, end ? Flag.END_STREAM : 0, streamId);
    this.#lastBuffered = streamId;
    this.#lastData = end ? 0 : streamId;
    this.#lastDataFlags = at - 5;
    if (length > 0) this.dataFrames++;
    return at;
  }

  /** The slab that the offset from {@link dataFrame} refers to. */
  get slab(): Uint8Array {
    return this.#slab;
  }

  /** Ends a stream: on its last DATA frame if that is not written yet, otherwise with an empty one. */
  endStream(streamId: number): void {
    if (this.#lastData === streamId) this.#slab[this.#lastDataFlags] = Flag.END_STREAM;
    else this.dataFrame(streamId, 0, true);
  }

  /** Writes everything buffered so far to the byte stream, unless the stream is full. */
  readonly flush = (): void => {
    this.#writeFull();
    if (this.blocked || this.#closed) return;
    this.#lastData = 0;
    if (this.#end > this.#start) {
      const bytes = this.#slab.subarray(this.#start, this.#end);
      this.#start = this.#end;
      this.#write(bytes);
      this.lastSent = this.#lastBuffered;
      this.dataFramesFlushed = this.dataFrames - this.#dataFramesBefore;
      this.#dataFramesBefore = this.dataFrames;
    }
    this.waitingControlBytes = 0;
  };

  #writeFull(): void {
    while (this.#full.length > 0 && !this.blocked && !this.#closed) {
      const { bytes, slab, lastBuffered } = this.#full.shift()!;
      this.#fullBytes -= bytes.length;
      this.#write(bytes);
      this.#slabs.used(slab, this.writes);
      this.lastSent = lastBuffered;
    }
  }

  #write(bytes: Uint8Array): void {
    this.writes++;
    if (!this.#output.write(bytes)) this.blocked = true;
  }

  /** The byte stream has room again. */
  drained(): void {
    this.blocked = false;
    this.flush();
  }

  /** The requests that are buffered and have not been passed to the byte stream. */
  unsent(): UnsentRequests {
    return findUnsent([...this.#full.map(({ bytes }) => bytes), this.#slab.subarray(this.#start, this.#end)]);
  }

  /**
   * Removes the frames of {@link unsent} requests from the buffer. Only for a connection that opens no more streams:
   * the dropped header sections may have added fields to this side's dynamic table that the peer's will lack (RFC 7541
   * section 2.2).
   */
  takeBack(): UnsentRequests {
    const unsent = this.unsent();
    if (unsent.ids.size === 0) return unsent;
    this.#full = this.#full.map((full) => ({ ...full, bytes: without(full.bytes, unsent.ids) }))
      .filter(({ bytes }) => bytes.length > 0);
    this.#fullBytes = this.#full.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.#end = this.#start + without(this.#slab.subarray(this.#start, this.#end), unsent.ids).length;
    this.#lastData = 0;
    return unsent;
  }

  /** Releases the slab, if nothing waits in it: the next frame takes a new one, which begins small again. */
  release(): void {
    if (this.#end > this.#start) return;
    this.#slabs.used(this.#slab, this.writes);
    this.#slabs.reclaim();
    this.#slab = NOTHING;
    this.#start = this.#end = 0;
  }

  /** Drops what is buffered; nothing is buffered afterwards. */
  close(): void {
    this.#closed = true;
    this.#full = [];
    this.#fullBytes = 0;
    this.#start = this.#end = 0;
    this.#slab = NOTHING;
  }

  #control(length: number, type: number, flags: number, streamId: number): number {
    this.waitingControlBytes += FRAME_HEADER_BYTES + length;
    return this.#frame(length, type, flags, streamId);
  }

  /** Writes a frame's header to the slab and returns the offset of its payload. */
  #frame(length: number, type: number, flags: number, streamId: number): number {
    const at = this.#reserve(FRAME_HEADER_BYTES + length);
    writeFrameHeader(this.#slab, at, length, type, flags, streamId);
    return at + FRAME_HEADER_BYTES;
  }

  #reserve(length: number): number {
    this.#scheduleFlush(this.flush);
    // All of the slab was written.
    if (this.#start === this.#end && this.#output.taken === this.writes) this.#start = this.#end = 0;
    if (this.#slab.length - this.#end < length) this.#nextSlab(length);
    const at = this.#end;
    this.#end += length;
    this.#lastData = 0;
    return at;
  }

  #nextSlab(length: number): void {
    const slab = this.#slab;
    let left = slab.subarray(this.#start, this.#end);
    // What a connection begins with still leaves in one write with what follows.
    if (left.length === 0) {
      this.#slabs.used(slab, this.writes);
    } else if (slab.length > FIRST_SLAB_BYTES) {
      this.#full.push({ slab, bytes: left, lastBuffered: this.#lastBuffered });
      this.#fullBytes += left.length;
      left = NOTHING;
    }
    this.#slabs.reclaim();
    this.#slab = this.#slabs.next(slab, length + left.length, this.writes);
    this.#slab.set(left);
    this.#start = 0;
    this.#end = left.length;
    // Batching more gains nothing, and writing now lets the caller notice backpressure.
    if (this.#fullBytes >= LARGEST_SLAB_BYTES) this.#writeFull();
  }
}
