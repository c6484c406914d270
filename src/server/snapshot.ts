import type { RefusedCounts } from "../http2/server/refused.ts";
import type { CallCounts, SocketSnapshot } from "../snapshot.ts";

/**
 * The state of a server at one moment, as plain JSON. Times (`sinceMs`) are on the scale of `nowMs`. Names stay the same
 * from version to version.
 */
export interface ServerSnapshot {
  /** When it was taken, on the server's clock: usually `performance.now()`. */
  readonly nowMs: number;
  /**
   * - `serving`: new calls are answered, as soon as it listens;
   * - `draining`: it was closed, and calls in flight may finish;
   * - `closed`: it was closed, and all connections have ended.
   */
  readonly state: "serving" | "draining" | "closed";
  /** Where it listens: `127.0.0.1:50051`, `[::1]:50051` or `unix:/run/app.sock`. */
  readonly addresses: readonly string[];
  /** Its calls, of every protocol. Requests for methods that it doesn't have are none. */
  readonly calls: CallCounts;
  /** Calls that have begun and not ended. */
  readonly inFlight: number;
  /** What its limits turned away. */
  readonly refused: RefusedCounts;
  /** The connections that are open, oldest first; `remote` is the client. */
  readonly connections: readonly SocketSnapshot[];
}
