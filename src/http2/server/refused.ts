/** What a server's limits turned away. Nothing of it counts as a call that failed, but `buffered`. */
export interface RefusedCounts {
  /** Connections beyond `limits.maxConnections`. */
  readonly connections: number;
  /** Requests beyond `limits.maxConcurrentStreams` (REFUSED_STREAM), which clients may repeat. */
  readonly streams: number;
  /** Requests over HTTP/2 whose header section is larger than `limits.maxHeaderListBytes`. */
  readonly headers: number;
  /** Requests beyond `limits.maxBufferedBytes`. */
  readonly buffered: number;
  /** Connections that ended because their clients flooded the server (ENHANCE_YOUR_CALM). */
  readonly floods: number;
}

/** {@link RefusedCounts} that go on counting. */
export type RefusedCounter = { -readonly [Reason in keyof RefusedCounts]: RefusedCounts[Reason] };

/** Counts what is refused from 0. */
export function newRefusedCounter(): RefusedCounter {
  return { connections: 0, streams: 0, headers: 0, buffered: 0, floods: 0 };
}
