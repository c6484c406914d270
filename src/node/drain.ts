// Graceful shutdown of a server.

import { checkOptions, type Checks, kind, millisecondsFrom0 } from "../option.ts";
import { systemClock } from "../time/clock.ts";

/**
 * The part of a server that closes it: of one by `createGrpcServer`, or one of `node:http2`, `node:http` or
 * `node:https`.
 */
export interface Closable {
  /** Reports NOT_SERVING to health checks; a server by `createGrpcServer` does. */
  stopServing?(): void;
  /** Stops accepting connections; `done` is called once all have ended. */
  close(done?: (error?: Error) => void): unknown;
  /** Closes all remaining connections; those of `createGrpcServer`, `node:http` and `node:https` have it. */
  closeAllConnections?(): void;
}

/** Options of {@link shutdown}. */
export interface ShutdownOptions {
  /** The server's entry in the registry, which is removed first. */
  registration?: { close(): Promise<void> };
  /**
   * How long to go on accepting calls after that, in milliseconds, so that clients notice. Defaults to 500, about as
   * long as a slow watch event takes. Clients that did not notice send their calls elsewhere when they are refused.
   */
  settleMs?: number;
  /** How long calls in flight may take to finish, in milliseconds. Defaults to 10,000. */
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
 * Stops a server without failing a call: reports NOT_SERVING, deregisters it, waits for clients to notice, then stops
 * listening, sends connected clients elsewhere (GOAWAY, RFC 9113 section 6.8) and lets calls in flight finish.
 *
 * Resolves to true when all of them have finished, or to false when `drainMs` passed first: then exit the process, which
 * aborts the rest. An unreachable registry can't keep a server from stopping: the entry ends with its lease.
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
 * @throws TypeError or RangeError, before it does anything, if `server` or `registration` has no `close`, or if an option
 * is invalid.
 */
export async function shutdown(server: Closable, options: ShutdownOptions = {}): Promise<boolean> {
  if (typeof server?.close !== "function") {
    throw new TypeError(
      "shutdown() takes a server of node:http2, node:http or node:https, or by createGrpcServer(), with a close() method",
    );
  }
  checkOptions("shutdown()", options, OPTIONS);
  const { registration, settleMs = 500, drainMs = 10_000 } = options;
  server.stopServing?.();
  await registration?.close().catch(() => {});
  if (registration !== undefined) await new Promise<void>((resolve) => systemClock.timer(settleMs, resolve, true));
  return await new Promise<boolean>((resolve) => {
    const deadline = systemClock.timer(drainMs, () => {
      server.closeAllConnections?.();
      resolve(false);
    }, true);
    // It stops listening immediately, so the port is free for a successor while calls still run.
    server.close(() => {
      deadline.cancel();
      resolve(true);
    });
  });
}
