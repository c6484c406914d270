import type { Endpoint } from "../endpoint.ts";

/** What is known of a service's endpoints at one moment. */
export interface Resolution {
  /** The full set. Undefined: nothing is known yet; see `stale` for why. */
  readonly endpoints: readonly Endpoint[] | undefined;
  /**
   * Set while the source can't be reached: the endpoints are the last known ones. `sinceMs` is when that began, on the
   * monotonic scale of the clock; `cause` is what happened.
   */
  readonly stale?: Staleness;
}

/** Since when and why a set is not fresh. */
export interface Staleness {
  /** When it began, in milliseconds on the clock's monotonic scale. */
  readonly sinceMs: number;
  readonly cause: Error;
}

/** Yields the full set of endpoints each time it changes. */
export interface Resolver {
  /** What it resolves, for error texts: usually the service's name. */
  readonly target?: string;
  /**
   * Starts resolving until `signal` aborts. Each `next()` gives the newest resolution at that moment: there is one slot
   * per consumer, and the latest wins. When it throws or ends, the consumer marks its set stale and starts again with
   * back-off.
   */
  resolve(signal: AbortSignal): AsyncIterable<Resolution>;
  /** Reads the set once, for callers that can't watch. Rejects when the source can't be read. */
  list?(signal: AbortSignal): Promise<Resolution>;
  /** A hint that the set may be out of date (a connection failed); the resolver may look again, at its own pace. */
  refresh?(): void;
}
