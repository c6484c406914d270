/**
 * What HTTP/2 runs over: an ordered, reliable stream of bytes both ways, that is already open. `src/node/socket.ts`
 * makes it from a TCP, TLS or Unix socket, or from another duplex stream; tests make it from two arrays.
 */
export interface ByteStream {
  /** Starts the flow: events may come from now on, never before, and never from within `start` itself. */
  start(events: ByteStreamEvents): void;
  /**
   * Queues bytes, which the stream may keep until they left: the caller doesn't change them afterwards. False: enough is
   * queued, wait for `writable`. Bytes written after `end` or `destroy` are dropped.
   */
  write(bytes: Uint8Array): boolean;
  /** Half-closes: nothing follows what was written. */
  end(): void;
  /** Drops the stream at once, with whatever was not sent. `closed` follows unless it already came. */
  destroy(): void;
  /** Whether the stream keeps the process alive. Streams of runtimes without such a notion ignore it. */
  hold(on: boolean): void;
}

/** What a byte stream tells its owner. None of these may throw. */
export interface ByteStreamEvents {
  /** Bytes came; the receiver may keep them. */
  data(chunk: Uint8Array): void;
  /** After `write` returned false, never from within it: there is room again. */
  writable(): void;
  /** The peer half-closed: no more `data`. */
  end(): void;
  /** The last event, once: the stream is gone; with a cause unless it ended as both sides wanted. */
  closed(cause?: Error): void;
}

/** Opens a byte stream. Rejects when it can't be opened or when `signal` aborts. */
export type OpenByteStream = (signal: AbortSignal) => Promise<ByteStream>;
