import type { ByteStream, ByteStreamEvents } from "../http2/byte-stream.ts";
import { namingForeignSocket } from "../http2/foreign-socket.ts";
import { systemClock } from "../time/clock.ts";
import type { StreamSocket } from "./connect.ts";

/** More than this many unsent bytes count as full. */
const FULL_BYTES = 64 * 1024;

/** How long bytes written before `destroy` may take to be sent, in milliseconds. */
const LINGER_MS = 1_000;

/** An open socket of two web streams as a byte stream. */
export class WebStream implements ByteStream {
  readonly #socket: StreamSocket;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #events: ByteStreamEvents | undefined;
  /** While it is paused: what continues reading. */
  #paused: PromiseWithResolvers<void> | undefined;
  #unsent = 0;
  #full = false;
  #ending: Promise<unknown> | undefined;
  #destroyed = false;
  #closed = false;
  #cause: Error | undefined;

  constructor(socket: StreamSocket) {
    this.#socket = socket;
    this.#reader = socket.readable.getReader();
    this.#writer = socket.writable.getWriter();
    // Every write, and `closed` of the socket, reports the same failure.
    this.#writer.closed.catch(() => {});
    socket.closed.then(() => this.#gone(), (error) => this.#gone(error));
  }

  start(events: ByteStreamEvents): void {
    if (this.#closed) return queueMicrotask(() => events.closed(this.#cause));
    this.#events = events;
    void this.#read(events);
  }

  async #read(events: ByteStreamEvents): Promise<void> {
    try {
      for (;;) {
        const { value, done } = await this.#reader.read();
        if (this.#closed) return;
        if (done) return events.end();
        events.data(value);
        await this.#paused?.promise;
      }
    } catch (error) {
      this.#gone(error);
    }
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#ending !== undefined) return true;
    const { byteLength } = bytes;
    this.#unsent += byteLength;
    this.#written(bytes).then(() => this.#sent(byteLength), (error) => this.#gone(error));
    this.#full = this.#unsent > FULL_BYTES;
    return !this.#full;
  }

  /** Rejects, where a runtime's writer throws. */
  async #written(bytes: Uint8Array): Promise<void> {
    await this.#writer.write(bytes);
  }

  #sent(byteLength: number): void {
    this.#unsent -= byteLength;
    if (!this.#full || this.#unsent > FULL_BYTES / 2) return;
    this.#full = false;
    if (!this.#closed) this.#events?.writable();
  }

  pause(): void {
    this.#paused ??= Promise.withResolvers();
  }

  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  end(): void {
    if (!this.#closed) void this.#end();
  }

  #end(): Promise<unknown> {
    return this.#ending ??= this.#writer.close().catch(() => {});
  }

  destroy(): void {
    if (this.#closed || this.#destroyed) return;
    this.#destroyed = true;
    // A peer that doesn't read could keep the socket open forever.
    const linger = systemClock.timer(LINGER_MS, () => this.#close());
    void this.#end().then(() => {
      linger.cancel();
      this.#close();
    });
  }

  /** No promise of the socket keeps a process alive. */
  hold(): void {}

  #close(): void {
    this.#socket.close().catch(() => {});
  }

  #gone(cause?: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    if (cause !== undefined) {
      this.#cause = namingForeignSocket(cause instanceof Error ? cause : new Error(String(cause)));
    }
    this.#close();
    this.#events?.closed(this.#cause);
  }
}
