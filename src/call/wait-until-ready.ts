import { Code, ConnectError } from "@connectrpc/connect";
import type { CallEnvironment } from "./call.ts";
import { checkMilliseconds } from "./check-options.ts";
import { transportClosed } from "./explain.ts";

/** Options of a transport's `connect`. */
export interface ConnectOptions {
  /** How long to wait for the first ready connection, in milliseconds. Defaults to the transport's `waitTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

/** Starts the balancer and resolves when some connection is ready; see `BalancedTransport.connect` for what it throws. */
export async function waitUntilReady(env: CallEnvironment, options: ConnectOptions): Promise<void> {
  const { balancer, clock, waitTimeoutMs } = env;
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`connect() takes an options object, not ${String(options)}`);
  }
  const { timeoutMs = waitTimeoutMs, signal } = options;
  checkMilliseconds("timeoutMs", timeoutMs);
  if (signal !== undefined && typeof signal?.addEventListener !== "function") {
    throw new TypeError(`option signal must be an AbortSignal, not ${String(signal)}`);
  }
  if (balancer.closed) throw transportClosed();
  if (signal?.aborted) throw ConnectError.from(signal.reason, Code.Canceled);
  return await new Promise((resolve, reject) => {
    const settle = (error?: ConnectError) => {
      balancer.forget(pending);
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = () => settle(ConnectError.from(signal!.reason, Code.Canceled));
    const pending = {
      retry: () => {
        if (balancer.closed) settle(transportClosed());
        else if (balancer.pool.connections.some((connection) => connection.available)) settle();
      },
    };
    const timer = clock.timer(timeoutMs, () => {
      settle(new ConnectError(`no connection within ${timeoutMs} ms: ${balancer.describe()}`, Code.Unavailable));
    }, true);
    signal?.addEventListener("abort", onAbort);
    balancer.await(pending);
    balancer.start();
    pending.retry();
  });
}
