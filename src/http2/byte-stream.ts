import type { SocketInfo } from "../snapshot.ts";

/**
 * What HTTP/2 runs over: an open, ordered, reliable stream of bytes in both directions. `src/socket/duplex-stream.ts`
 * makes one from a socket of Node's, `src/workers/web-stream.ts` from one of web streams; tests from two arrays.
 */
export interface ByteStream {
  /** Starts reading: events may fire from now on, but never before, and never within `start` itself. */
  start(events: ByteStreamEvents): void;
  /**
   * Queues bytes. The stream may keep them, so the caller must not change them until they are {@link taken}. Returns
   * false if enough is queued: wait for `writable`. Bytes written after `end` or `destroy` are dropped.
   */
  write(bytes: Uint8Array): boolean;
  /**
   * How many of the writes so far the operating system has taken, in their order: their memory may be used again.
   * Undefined if the stream, or what reads it in this process, may keep what was written.
   */
  readonly taken?: number | undefined;
  /** Stops reading until {@link resume}: what was read already may still arrive, but no more than that. */
  pause(): void;
  /** Continues reading. `data` never fires within it. */
  resume(): void;
  /** Half-closes: nothing more will be written. */
  end(): void;
  /** Destroys the stream immediately, along with anything unsent. `closed` follows unless it already fired. */
  destroy(): void;
  /** Sets whether the stream keeps the process alive. Ignored on runtimes without such a notion. */
  hold(on: boolean): void;
  /** What is known now of the socket below it. */
  info?(): SocketInfo;
}

/** The events of a byte stream. Handlers must not throw. */
export interface ByteStreamEvents {
  /**
   * Bytes arrived; the receiver may keep them. Returns true if it keeps none: the stream may free or change their memory
   * then. Never fires within another `data`.
   */
  data(chunk: Uint8Array): boolean | void;
  /** There is room again after `write` returned false. Never fires within `write`. */
  writable(): void;
  /** The peer half-closed: no more `data`. */
  end(): void;
  /** The last event, fired once: the stream is gone. There is no cause if both sides ended it cleanly. */
  closed(cause?: Error): void;
}

/** Opens a byte stream. Rejects when it can't be opened or when `signal` aborts. */
export type OpenByteStream = (signal: AbortSignal) => Promise<ByteStream>;
