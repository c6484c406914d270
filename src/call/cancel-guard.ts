import type { Connection } from "../connection/connection.ts";
import type { Clock } from "../time/clock.ts";

/**
 * How many attempts may be cancelled on one connection in a burst, and per second. Servers take many cancelled streams
 * for an attack (rapid reset, CVE-2023-44487) and end the connection: those that use nghttp2, such as Node's, above
 * 1,000 in a burst or 33 per second.
 */
const BURST = 100;
const PER_SECOND = 25;

/** How many more may be cancelled on each connection, as of when that was last looked at, by whichever guard. */
const leftOn = new WeakMap<Connection, { count: number; atMs: number }>();

/** Limits how often hedging cancels attempts on each connection. */
export class CancelGuard {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether an attempt may be sent to the connection although it may have to be cancelled. */
  allows(connection: Connection): boolean {
    return this.#of(connection).count >= 1;
  }

  cancelled(connection: Connection): void {
    this.#of(connection).count--;
  }

  #of(connection: Connection): { count: number } {
    const nowMs = this.#clock.now();
    let left = leftOn.get(connection);
    if (left === undefined) leftOn.set(connection, left = { count: BURST, atMs: nowMs });
    left.count = Math.min(BURST, left.count + (nowMs - left.atMs) * PER_SECOND / 1_000);
    left.atMs = nowMs;
    return left;
  }
}
