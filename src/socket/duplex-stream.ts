// Sockets of Node's kind as byte streams.

import type { ByteStream, ByteStreamEvents } from "../http2/byte-stream.ts";
import { namingForeignSocket } from "../http2/foreign-socket.ts";
import type { SocketInfo } from "../snapshot.ts";
import { systemClock } from "../time/clock.ts";
import type { Timer } from "../time/clock.ts";
import type { Duplex } from "./duplex.ts";
import { freeChunk } from "./free-chunk.ts";
import { socketError } from "./socket-error.ts";
import { socketInfo } from "./socket-info.ts";

/** How long bytes written before `destroy` may take to be sent, in milliseconds. */
const LINGER_MS = 1_000;

/**
 * Where what is written to a duplex stream goes: the `system` has copied it when the write's callback is called. A
 * stream in this `process` may pass it on to a reader who keeps it.
 */
export type WritesGo = "to the system" | "through the process";

/** An open socket of Node, Bun or Deno, or another duplex stream, as a byte stream. */
export class DuplexStream implements ByteStream {
  readonly #socket: Duplex;
  /** The tunnel, or the user's stream, that TLS runs over. */
  readonly #under: Duplex | undefined;
  #events: ByteStreamEvents | undefined;
  #cause: Error | undefined;
  #closed = false;
  #linger: Timer | undefined;
  /** Whether data is being handled, and what arrived meanwhile. */
  #handling = false;
  readonly #early: Uint8Array[] = [];
  #taken: number | undefined;

  constructor(socket: Duplex, under?: Duplex, writesGo: WritesGo = "through the process") {
    this.#socket = socket;
    this.#under = under;
    if (writesGo === "to the system") this.#taken = 0;
    // Before `start` too: an error without a listener ends the process.
    socket.on("error", (error: Error) => this.#gone(error));
    socket.on("close", () => this.#gone());
    (under ?? socket).setNoDelay?.(true);
    this.hold(false);
    if (socket.destroyed) this.#gone(socket.errored ?? undefined);
  }

  start(events: ByteStreamEvents): void {
    if (this.#closed) return queueMicrotask(() => events.closed(this.#cause));
    this.#events = events;
    this.#socket.on("drain", () => events.writable());
    this.#socket.on("end", () => events.end());
    // A plain Uint8Array, because `bytes` fields are views of it: a Buffer's slice() doesn't copy as a Uint8Array's
    // does.
    this.#socket.on("data", (chunk: Uint8Array) => {
      this.#received(events, new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
    // A socket that was read from before, such as for a proxy's response, is paused.
    this.#socket.resume();
  }

  /**
   * A pair of streams in one process can deliver the answer to a write while that write is made, and so while what led to
   * it is being handled: the answer comes after that.
   */
  #received(events: ByteStreamEvents, chunk: Uint8Array): void {
    if (this.#handling) return void this.#early.push(chunk);
    this.#handling = true;
    for (let next: Uint8Array | undefined = chunk; next !== undefined && !this.#closed; next = this.#early.shift()) {
      if (events.data(next) === true && this.#taken !== undefined) freeChunk(next);
    }
    this.#handling = false;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#socket.writable) return this.#socket.write(bytes, this.#written);
    // Unless this side ended it, the socket is broken, which is reported once the writer is done with this write.
    if (!this.#socket.writableEnded) {
      queueMicrotask(() => this.#gone(this.#socket.errored ?? new Error("the socket is no longer writable")));
    }
    return true;
  }

  /** On workerd, this is the only report that a socket is unusable. */
  readonly #written = (error?: Error | null): void => {
    if (error) this.#gone(error);
    else if (this.#taken !== undefined) this.#taken++;
  };

  get taken(): number | undefined {
    return this.#taken;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#closed) this.#socket.resume();
  }

  end(): void {
    if (this.#socket.writable) this.#socket.end();
  }

  destroy(): void {
    if (this.#closed || this.#linger !== undefined) return;
    // A peer that doesn't read could keep the socket open forever, and one that goes on sending could keep resetting
    // its idle timeout.
    this.#linger = systemClock.timer(LINGER_MS, () => this.#socket.destroy());
    if (this.#socket.destroySoon !== undefined) this.#socket.destroySoon();
    else this.#socket.end(() => this.#socket.destroy());
  }

  hold(on: boolean): void {
    for (const socket of [this.#socket, this.#under]) {
      if (on) socket?.ref?.();
      else socket?.unref?.();
    }
  }

  info(): SocketInfo {
    return socketInfo(this.#socket, this.#under);
  }

  /**
   * An error ends the stream: after one in an open TLS connection, Node leaves the socket open and `close` never fires.
   */
  #gone(cause?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cause = cause && namingForeignSocket(socketError(cause, "open"));
    this.#linger?.cancel();
    this.#socket.destroy();
    this.#under?.destroy();
    this.#events?.closed(this.#cause);
  }
}
