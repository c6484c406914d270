import { Code, ConnectError } from "@connectrpc/connect";
import { checkOptions, type Checks, milliseconds } from "../option.ts";
import { signal as abortSignal } from "./check-options.ts";
import type { CallEnvironment } from "./environment.ts";
import { transportClosed } from "./explain.ts";
import { waitFor } from "./wait.ts";

/** Options of a transport's `connect`. */
export interface ConnectOptions {
  /** How long to wait for the first ready connection, in milliseconds. Defaults to the transport's `waitTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

const CONNECT: Checks<ConnectOptions> = { timeoutMs: milliseconds, signal: abortSignal };

/** Starts the balancer and resolves when some connection is ready; see `BalancedTransport.connect` for what it throws. */
export async function waitUntilReady(env: CallEnvironment, options: ConnectOptions): Promise<void> {
  const { balancer, clock, waitTimeoutMs } = env;
  checkOptions("connect()", options, CONNECT);
  const { timeoutMs = waitTimeoutMs, signal } = options;
  if (balancer.closed) throw transportClosed();
  const aborted = () => ConnectError.from(signal?.reason, Code.Canceled);
  if (signal?.aborted) throw aborted();
  balancer.start();
  await waitFor(balancer, clock, {
    signal,
    limitMs: timeoutMs,
    poll: () => {
      if (balancer.closed) throw transportClosed();
      return balancer.pool.connections.find((connection) => connection.usable);
    },
    expired: () => {
      throw new ConnectError(`no connection within ${timeoutMs} ms: ${balancer.describe()}`, Code.Unavailable);
    },
    aborted: () => {
      throw aborted();
    },
  });
}
