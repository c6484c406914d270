import { FrameType, type RawFrame } from "../../support/raw-http2/frame.ts";
import type { RawSession } from "../../support/raw-http2/session.ts";

const CHUNK = new Uint8Array(16_384);
const INITIAL_WINDOW = 65_535;
const INITIAL_WINDOW_SETTING = 4;
/** What may wait in the socket: the flood is bounded by the client's flow control, not by this process's memory. */
const MOST_BUFFERED_BYTES = 4 << 20;

/** Sends DATA without end on a connection's streams, as fast as the client's flow control allows. */
export class Flood {
  readonly #session: RawSession;
  readonly #streams = new Map<number, number>();
  /** What the client granted to streams before they were in the flood. */
  #initialWindow = INITIAL_WINDOW;
  #window = INITIAL_WINDOW;
  #heard = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(session: RawSession) {
    this.#session = session;
    this.#timer = setInterval(() => this.#send(), 2);
    void session.left().then(() => clearInterval(this.#timer));
  }

  /** Begins on a stream, on which `sent` bytes of DATA were sent already. */
  add(streamId: number, sent: number): void {
    this.#listen();
    this.#streams.set(streamId, this.#initialWindow - sent);
    this.#window -= sent;
  }

  #send(): void {
    this.#listen();
    for (const [streamId, granted] of this.#streams) {
      let window = granted;
      while (Math.min(window, this.#window) >= CHUNK.length && this.#mayWrite) {
        this.#session.data(streamId, CHUNK);
        window -= CHUNK.length;
        this.#window -= CHUNK.length;
      }
      this.#streams.set(streamId, window);
    }
  }

  get #mayWrite(): boolean {
    const { socket, clientLeft } = this.#session;
    return !clientLeft && socket.writableLength < MOST_BUFFERED_BYTES;
  }

  #listen(): void {
    const { received } = this.#session;
    for (let frame; (frame = received[this.#heard]) !== undefined; this.#heard++) this.#hear(frame);
  }

  #hear({ type, flags, streamId, payload }: RawFrame): void {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    if (type === FrameType.rstStream) {
      this.#streams.delete(streamId);
    } else if (type === FrameType.windowUpdate) {
      const increment = view.getUint32(0) & 0x7fff_ffff;
      const window = this.#streams.get(streamId);
      if (streamId === 0) this.#window += increment;
      else if (window !== undefined) this.#streams.set(streamId, window + increment);
    } else if (type === FrameType.settings && flags === 0) {
      for (let at = 0; at < payload.length; at += 6) {
        if (view.getUint16(at) === INITIAL_WINDOW_SETTING) this.#initialWindow = view.getUint32(at + 2);
      }
    }
  }
}
