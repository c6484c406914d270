import { Code, ConnectError } from "@connectrpc/connect";
import { waitFor } from "../balancer/wait.ts";
import type { WatchedSource } from "../balancer/watched.ts";
import { transportClosed } from "../call/failure.ts";
import { type Check, checkOptions, type Checks, kind, milliseconds } from "../option.ts";
import { guarded } from "../listener.ts";
import type { Clock } from "../time/clock.ts";

/** Options of a transport's `connect`. */
export interface ConnectOptions {
  /** How long to wait for the first ready connection, in milliseconds. Defaults to the transport's `waitTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

const abortSignal: Check = kind(
  "an AbortSignal",
  (value) => typeof (value as Partial<AbortSignal> | null)?.addEventListener === "function",
);

const CONNECT: Checks<ConnectOptions> = { timeoutMs: milliseconds, signal: abortSignal };

/** Starts the balancer and resolves when a connection is ready; see `BalancedTransport.connect` for what it throws. */
export async function connect(
  source: WatchedSource,
  clock: Clock,
  waitTimeoutMs: number,
  options: ConnectOptions,
): Promise<void> {
  checkOptions("connect()", options, CONNECT);
  const { timeoutMs = waitTimeoutMs, signal } = options;
  if (source.closed) throw transportClosed();
  const aborted = () => ConnectError.from(signal?.reason, Code.Canceled);
  if (signal?.aborted) throw aborted();
  source.start();
  await waitFor(source, clock, {
    signal,
    limitMs: timeoutMs,
    poll: () => {
      if (source.closed) throw transportClosed();
      const usable = source.balancer.pool.connections.find((connection) => connection.usable);
      if (usable === undefined) guarded("exitIdle of a policy's picker", () => source.picker?.exitIdle?.());
      return usable;
    },
    expired: () => {
      throw new ConnectError(`no connection within ${timeoutMs} ms: ${source.describe()}`, Code.Unavailable);
    },
    aborted: () => {
      throw aborted();
    },
  });
}
