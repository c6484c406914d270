import { SendWindow } from "./wire/flow.ts";
import { copy } from "./wire/bytes.ts";
import type { FrameWriter } from "./wire/frame-writer.ts";
import type { PeerSettings } from "./wire/settings.ts";
import { StalledStreams } from "./stalled-streams.ts";
import type { Stream } from "./stream.ts";
import { StreamQueue } from "./stream-queue.ts";

/** How many bytes may wait in a stream before {@link Sender.write} asks its writer to stop. */
const SEND_BUFFER_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);
/** Larger frames are allowed by some servers, but would keep the other streams waiting and gain nothing. */
const LARGEST_FRAME_BYTES = 64 * 1024;
/** A smaller frame that isn't a stream's last says that the peer lets it have no more: a crumb. */
const CRUMB_BYTES = 1024;

/**
 * Sends content under flow control (RFC 9113 section 5.2): at once where both windows and the byte stream have room,
 * else from a queue in which the streams take turns, a frame each.
 */
export class Sender {
  readonly window: SendWindow = new SendWindow();
  /** How many crumbs waiting streams ever sent. */
  crumbs = 0;
  readonly #writer: FrameWriter;
  readonly #peer: PeerSettings;
  /** Streams that have something to send and had a window to send it in; the first is next. */
  readonly #queue = new StreamQueue<Stream>();
  /** Streams that have something to send and no window of their own. */
  readonly #stalled = new StalledStreams<Stream>();

  constructor(writer: FrameWriter, peer: PeerSettings) {
    this.#writer = writer;
    this.#peer = peer;
  }

  /** How much the peer takes of a stream now (section 6.9.2); below 0 when its SETTINGS made the window smaller. */
  windowOf(stream: Stream): number {
    return this.#peer.initialWindowSize + stream.sendCredit;
  }

  /** Sends two pieces, of which `head` is copied at once and `body` may be kept. False: enough waits in the stream. */
  write(stream: Stream, head: Uint8Array, body: Uint8Array, end: boolean): boolean {
    const length = head.length + body.length;
    if (stream.outgoing === undefined && stream.id !== 0 && !this.#writer.blocked && this.#fits(stream, length)) {
      this.#writer.data(stream.id, head, body, end);
      stream.sendCredit -= length;
      this.window.left -= length;
      if (end) stream.endedLocally();
      return true;
    }
    stream.outgoing ??= [];
    if (head.length > 0) stream.outgoing.push(head.slice());
    if (body.length > 0) stream.outgoing.push(body);
    stream.outgoingBytes += length;
    stream.endAfterOutgoing = end;
    this.enqueue(stream);
    this.pump();
    if (stream.outgoingBytes < SEND_BUFFER_BYTES) return true;
    stream.wantsRoom = true;
    return false;
  }

  /** Ends a stream behind what it has to send. */
  end(stream: Stream): void {
    if (stream.outgoing === undefined && stream.id !== 0) this.#end(stream);
    else this.write(stream, NOTHING, NOTHING, true);
  }

  /** END_STREAM alone, which takes no window (section 6.9.1) and so waits for none. */
  #end(stream: Stream): void {
    stream.outgoing = undefined;
    this.#writer.endStream(stream.id);
    stream.endedLocally();
  }

  /** The stream was opened, its own window grew, or there is more to send: it takes its turn. */
  enqueue(stream: Stream): void {
    if (stream.outgoing === undefined || stream.id === 0) return;
    if (stream.outgoingBytes > 0) this.#await(stream);
    else if (stream.endAfterOutgoing) this.#end(stream);
    else stream.outgoing = undefined;
  }

  /** The stream is closed: what it had to send is dropped. */
  drop(stream: Stream): void {
    this.#queue.delete(stream);
    this.#stalled.delete(stream);
  }

  /**
   * Sends what the windows and the byte stream have room for. The cost grows with the frames that leave, never with the
   * streams that wait: those without a window of their own wait apart and come into the queue one with each frame.
   */
  pump(): void {
    for (this.#wake(); !this.#writer.blocked && this.window.left > 0; this.#wake()) {
      const stream = this.#queue.first;
      if (stream === undefined) return;
      this.#queue.delete(stream);
      const { outgoingBytes } = stream, window = this.windowOf(stream);
      const length = Math.min(outgoingBytes, this.#frameBytes, window, this.window.left);
      if (length === window && length < outgoingBytes && length < CRUMB_BYTES) this.crumbs++;
      // SETTINGS made its window smaller since it was put here.
      if (length > 0) this.#frame(stream, stream.outgoing!, length);
      if (stream.outgoing !== undefined) this.#await(stream);
      if (stream.wantsRoom && stream.outgoingBytes < SEND_BUFFER_BYTES) {
        stream.wantsRoom = false;
        stream.onWritable();
      }
    }
  }

  /** Behind the others of the queue or, without a window of its own, until it has one. */
  #await(stream: Stream): void {
    if (stream.queue !== undefined) return;
    if (this.windowOf(stream) > 0) {
      this.#stalled.delete(stream);
      this.#queue.add(stream);
    } else {
      this.#stalled.add(stream);
    }
  }

  /** Queues the stalled stream with the largest window, if that is one again. */
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
        stream.outgoingAt = 0;
      }
    }
    stream.outgoingBytes -= length;
    stream.sendCredit -= length;
    this.window.left -= length;
    if (last) stream.outgoing = undefined;
    if (end) stream.endedLocally();
  }
}
