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
 * Buffers frames one after another in a slab of memory. Everything buffered in a turn of the event loop leaves in one
 * write, as writes are what costs most in a small call. Memory is used again once the byte stream says that the system
 * has taken what was written of it, and never if it doesn't say so.
 */
export abstract class FrameBuffer {
  readonly #output: FrameOutput;
  readonly #scheduleFlush: ScheduleFlush;
  readonly #slabs: Slabs;
  /** The memory that frames are written into. */
  slab: Uint8Array = NOTHING;
  #start = 0;
  #end = 0;
  /** The contents of full slabs that wait for the next write, each with the value of `lastBuffered` at its end. */
  #full: FullSlab[] = [];
  #fullBytes = 0;
  #closed = false;
  #framing = false;
  /** Whether the byte stream is full: what is buffered waits for {@link drained}. */
  blocked = false;
  /** Buffered bytes of replies to the peer's frames. */
  waitingControlBytes = 0;
  /** How many times the byte stream was written to. */
  writes = 0;
  /** How many pieces of content were buffered: those that share a DATA frame, too. */
  dataFrames = 0;
  /** How many of those left in the last flush that wrote something. */
  dataFramesFlushed = 0;
  #dataFramesBefore = 0;
  /** The stream of the request that the last written frames belong to; 0 if something else was written last. */
  lastSent = 0;
  /** The same for the frames that were buffered last. */
  protected lastBuffered = 0;
  /** The stream of the newest frame, if that is DATA without END_STREAM and not written yet. */
  protected lastData = 0;

  constructor(output: FrameOutput, scheduleFlush: ScheduleFlush) {
    this.#output = output;
    this.#slabs = new Slabs(output);
    this.#scheduleFlush = scheduleFlush;
  }

  /** Makes frames of what is held back between flushes. */
  protected abstract frameAll(): void;

  /** Bytes in frames that are not passed to the byte stream yet. */
  get waitingBytes(): number {
    return this.#fullBytes + this.#end - this.#start;
  }

  /** Writes everything buffered so far to the byte stream, unless the stream is full. */
  readonly flush = (): void => {
    this.#frameAll();
    this.#writeFull();
    if (this.blocked || this.#closed) return;
    this.lastData = 0;
    if (this.#end > this.#start) {
      const bytes = this.slab.subarray(this.#start, this.#end);
      this.#start = this.#end;
      this.#write(bytes);
      this.lastSent = this.lastBuffered;
      this.dataFramesFlushed = this.dataFrames - this.#dataFramesBefore;
      this.#dataFramesBefore = this.dataFrames;
    }
    this.waitingControlBytes = 0;
  };

  /** Schedules no flush, which would be run now if one is late: what is held back has been scheduled. */
  #frameAll(): void {
    this.#framing = true;
    this.frameAll();
    this.#framing = false;
  }

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
    this.#frameAll();
    return findUnsent([...this.#full.map(({ bytes }) => bytes), this.slab.subarray(this.#start, this.#end)]);
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
    this.#end = this.#start + without(this.slab.subarray(this.#start, this.#end), unsent.ids).length;
    this.lastData = 0;
    return unsent;
  }

  /** Releases the slab, if nothing waits in it: the next frame takes a new one, which begins small again. */
  release(): void {
    this.#frameAll();
    if (this.#end > this.#start) return;
    this.#slabs.used(this.slab, this.writes);
    this.#slabs.reclaim();
    this.slab = NOTHING;
    this.#start = this.#end = 0;
  }

  /** Drops what is buffered; nothing is buffered afterwards. */
  close(): void {
    this.#closed = true;
    this.flush();
    this.#full = [];
    this.#fullBytes = 0;
    this.#start = this.#end = 0;
    this.slab = NOTHING;
  }

  /** Something will be buffered: schedules its flush, which may run now for what is buffered already. */
  protected schedule(): void {
    this.#scheduleFlush(this.flush);
  }

  /** Makes room in {@link slab} for a frame, and returns its offset. */
  protected room(length: number): number {
    if (!this.#framing) this.schedule();
    // All of the slab was written.
    if (this.#start === this.#end && this.#output.taken === this.writes) this.#start = this.#end = 0;
    if (this.slab.length - this.#end < length) this.#nextSlab(length);
    const at = this.#end;
    this.#end += length;
    this.lastData = 0;
    return at;
  }

  #nextSlab(length: number): void {
    const slab = this.slab;
    let left = slab.subarray(this.#start, this.#end);
    // What a connection begins with still leaves in one write with what follows.
    if (left.length === 0) {
      this.#slabs.used(slab, this.writes);
    } else if (slab.length > FIRST_SLAB_BYTES) {
      this.#full.push({ slab, bytes: left, lastBuffered: this.lastBuffered });
      this.#fullBytes += left.length;
      left = NOTHING;
    }
    this.#slabs.reclaim();
    this.slab = this.#slabs.next(slab, length + left.length, this.writes);
    this.slab.set(left);
    this.#start = 0;
    this.#end = left.length;
    // Batching more gains nothing, and writing now lets the caller notice backpressure.
    if (this.#fullBytes >= LARGEST_SLAB_BYTES) this.#writeFull();
  }
}
