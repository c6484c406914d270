import { checkOptions, type Checks, kind, millisecondsFrom0 } from "../option.ts";
import { systemClock } from "../time/clock.ts";

/** The part of a server of `node:http2`, `node:http` or `node:https` that ends it. */
export interface Closable {
  close(done?: (error?: Error) => void): unknown;
  /** `node:http` and `node:https` have it: cuts what is still open. */
  closeAllConnections?(): void;
}

/** Options of {@link shutdown}. */
export interface ShutdownOptions {
  /** The server's entry in the registry: it is taken out first. */
  registration?: { close(): Promise<void> };
  /**
   * How long to go on taking calls after that, in milliseconds, so that clients notice. Defaults to 500: about what a
   * watch event takes on a bad day. Clients that did not notice send their calls elsewhere when they are refused.
   */
  settleMs?: number;
  /** How long calls in flight may take to end, in milliseconds. Defaults to 10,000. */
  drainMs?: number;
}

const OPTIONS: Checks<ShutdownOptions> = {
  registration: kind(
    "what register() returned, with a close() method",
    (value) => typeof (value as { close?: unknown } | null)?.close === "function",
  ),
  settleMs: millisecondsFrom0,
  drainMs: millisecondsFrom0,
};

/**
 * Ends a server so that no call fails: deregisters, waits for clients to notice, then stops listening, tells the
 * connected ones to go elsewhere (GOAWAY, RFC 9113, 6.8) and lets calls in flight finish.
 *
 * Resolves true when all of them did, false when `drainMs` was over before: exit the process then, which cuts the rest.
 * A registry that is away can't keep a server from stopping, and its lease ends the entry.
 *
 * ```ts
 * import { shutdown } from "connect-lb/node";
 *
 * process.once("SIGTERM", async () => {
 *   await shutdown(server, { registration });
 *   process.exit(0);
 * });
 * ```
 *
 * @throws TypeError or RangeError, before it does anything, if `server` or `registration` has no `close`, or for an option
 * that is not what it must be.
 */
export async function shutdown(server: Closable, options: ShutdownOptions = {}): Promise<boolean> {
  if (typeof server?.close !== "function") {
    throw new TypeError("shutdown() takes a server of node:http2, node:http or node:https, with a close() method");
  }
  checkOptions("shutdown()", options, OPTIONS);
  const { registration, settleMs = 500, drainMs = 10_000 } = options;
  await registration?.close().catch(() => {});
  if (registration !== undefined) await new Promise<void>((resolve) => systemClock.timer(settleMs, resolve, true));
  return await new Promise<boolean>((resolve) => {
    const deadline = systemClock.timer(drainMs, () => {
      server.closeAllConnections?.();
      resolve(false);
    }, true);
    // It stops listening at once, so the port is free for a successor while calls still run.
    server.close(() => {
      deadline.cancel();
      resolve(true);
    });
  });
}
