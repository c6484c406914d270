// Sending content under flow control (RFC 9113 section 5.2).

import { SendWindow } from "./wire/flow.ts";
import { copy } from "./wire/bytes.ts";
import type { FrameWriter } from "./wire/frame-writer.ts";
import type { PeerSettings } from "./wire/settings.ts";
import { StalledStreams } from "./stalled-streams.ts";
import type { Stream } from "./stream.ts";
import { StreamQueue } from "./stream-queue.ts";

/** How many bytes a stream may buffer before {@link Sender.write} returns false. */
const SEND_BUFFER_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);
/** Larger frames are allowed by some servers, but would keep the other streams waiting and gain nothing. */
const LARGEST_FRAME_BYTES = 64 * 1024;
/** For a smaller copy, freeing costs as much as it saves. */
const LEAST_FREED_BYTES = 4 * 1024;
/** A smaller frame that isn't a stream's last is a crumb: the peer's windows allow it no more. */
const CRUMB_BYTES = 1024;

/**
 * Sends content under flow control (RFC 9113 section 5.2): immediately if both windows and the byte stream have room,
 * otherwise from a queue in which the streams take turns, one frame each.
 */
export class Sender {
  readonly window: SendWindow = new SendWindow();
  /** How many crumbs waiting streams have sent so far. */
  crumbs = 0;
  readonly #writer: FrameWriter;
  readonly #peer: PeerSettings;
  /** Streams with content to send, which had window left when they were queued; the first is next. */
  readonly #queue = new StreamQueue<Stream>();
  /** Streams with content to send but no window of their own. */
  readonly #stalled = new StalledStreams<Stream>();

  constructor(writer: FrameWriter, peer: PeerSettings) {
    this.#writer = writer;
    this.#peer = peer;
  }

  /** How much the peer accepts on a stream now (section 6.9.2); negative if its SETTINGS shrank the window. */
  windowOf(stream: Stream): number {
    return this.#peer.initialWindowSize + stream.sendCredit;
  }

  /**
   * Sends two pieces: `head` is copied immediately, `body` may be kept. Returns false if the stream has buffered
   * enough.
   */
  write(stream: Stream, head: Uint8Array, body: Uint8Array, end: boolean): boolean {
    const length = head.length + body.length;
    if (stream.outgoing === undefined && stream.id !== 0 && !this.#writer.blocked && this.#fits(stream, length)) {
      const at = this.#content(stream, length, end), { into } = this.#writer;
      copy(body, 0, body.length, into, copy(head, 0, head.length, into, at));
      if (end) stream.endedLocally();
      return true;
    }
    if (stream.outgoing === undefined) {
      stream.outgoing = [];
      stream.outgoingCopied = true;
    }
    if (head.length > 0) stream.outgoing.push(head.slice());
    if (body.length > 0) {
      stream.outgoing.push(body);
      stream.outgoingCopied = false;
    }
    stream.outgoingBytes += length;
    stream.endAfterOutgoing = end;
    this.enqueue(stream);
    this.pump();
    if (stream.outgoingBytes < SEND_BUFFER_BYTES) return true;
    stream.wantsRoom = true;
    return false;
  }

  /** Sends a range of bytes, of which nothing is kept, as {@link write} does. */
  writeRange(stream: Stream, bytes: Uint8Array, start: number, end: number, last: boolean): boolean {
    const length = end - start;
    if (stream.outgoing === undefined && stream.id !== 0 && !this.#writer.blocked && this.#fits(stream, length)) {
      const at = this.#content(stream, length, last);
      copy(bytes, start, end, this.#writer.into, at);
      if (last) stream.endedLocally();
      return true;
    }
    return this.write(stream, bytes.subarray(start, end), NOTHING, last);
  }

  /** Makes room for content, in the writer's `into`. */
  #content(stream: Stream, length: number, end: boolean): number {
    const writer = this.#writer;
    const at = writer.content(stream.id, length, end, stream.sentAt === writer.writes);
    stream.sentAt = writer.writes;
    stream.sendCredit -= length;
    this.window.left -= length;
    return at;
  }

  /** Ends a stream after its buffered content. */
  end(stream: Stream): void {
    if (stream.outgoing === undefined && stream.id !== 0) this.#end(stream);
    else this.write(stream, NOTHING, NOTHING, true);
  }

  /** Sends END_STREAM alone, which needs no window (section 6.9.1) and so waits for none. */
  #end(stream: Stream): void {
    stream.outgoing = undefined;
    this.#writer.endStream(stream.id);
    stream.endedLocally();
  }

  /** Queues a stream that was opened, whose own window grew, or that has more to send. */
  enqueue(stream: Stream): void {
    if (stream.outgoing === undefined || stream.id === 0) return;
    if (stream.outgoingBytes > 0) this.#await(stream);
    else if (stream.endAfterOutgoing) this.#end(stream);
    else stream.outgoing = undefined;
  }

  /** The stream is closed: drops its buffered content. */
  drop(stream: Stream): void {
    this.#queue.delete(stream);
    this.#stalled.delete(stream);
  }

  /**
   * Sends what the windows and the byte stream have room for. The cost grows with the frames sent, never with the
   * streams that wait: those without a window of their own are kept apart and enter the queue one per frame.
   */
  pump(): void {
    for (this.#wake(); !this.#writer.blocked && this.window.left > 0; this.#wake()) {
      const stream = this.#queue.first;
      if (stream === undefined) return;
      this.#queue.delete(stream);
      const { outgoingBytes } = stream, window = this.windowOf(stream);
      const length = Math.min(outgoingBytes, this.#frameBytes, window, this.window.left);
      if (length === window && length < outgoingBytes && length < CRUMB_BYTES) this.crumbs++;
      // SETTINGS may have shrunk its window since it was queued.
      if (length > 0) this.#frame(stream, stream.outgoing!, length);
      if (stream.outgoing !== undefined) this.#await(stream);
      if (stream.wantsRoom && stream.outgoingBytes < SEND_BUFFER_BYTES) {
        stream.wantsRoom = false;
        stream.onWritable();
      }
    }
  }

  /** Queues the stream behind the others or, without a window of its own, parks it until it has one. */
  #await(stream: Stream): void {
    if (stream.queue !== undefined) return;
    if (this.windowOf(stream) > 0) {
      this.#stalled.delete(stream);
      this.#queue.add(stream);
    } else {
      this.#stalled.add(stream);
    }
  }

  /** Queues the stalled stream with the largest window, if that is above 0 again. */
  #wake(): void {
    const stream = this.#stalled.first;
    if (stream !== undefined && this.windowOf(stream) > 0) this.#await(stream);
  }

  #fits(stream: Stream, length: number): boolean {
    return length <= this.windowOf(stream) && length <= this.window.left && length <= this.#frameBytes;
  }

  get #frameBytes(): number {
    return Math.min(this.#peer.maxFrameSize, LARGEST_FRAME_BYTES);
  }

  #frame(stream: Stream, outgoing: Uint8Array[], length: number): void {
    const last = length === stream.outgoingBytes;
    const end = last && stream.endAfterOutgoing;
    let at = this.#writer.dataFrame(stream.id, length, end);
    const { slab } = this.#writer;
    for (let left = length; left > 0;) {
      const piece = outgoing[0]!;
      const take = Math.min(left, piece.length - stream.outgoingAt);
      at = copy(piece, stream.outgoingAt, stream.outgoingAt + take, slab, at);
      left -= take;
      stream.outgoingAt += take;
      if (stream.outgoingAt === piece.length) {
        outgoing.shift();
        // Otherwise it is garbage outside of the heap, for which V8 collects all of the heap.
        if (stream.outgoingCopied && piece.length >= LEAST_FREED_BYTES) (piece.buffer as ArrayBuffer).transfer(0);
        stream.outgoingAt = 0;
      }
    }
    stream.outgoingBytes -= length;
    stream.sendCredit -= length;
    this.window.left -= length;
    if (!last) return;
    stream.outgoing = undefined;
    if (end) stream.endedLocally();
    else stream.onDrained();
  }
}
