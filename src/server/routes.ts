// What the standard services have in common.

import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";

/** Connect's options of one service. */
export type RouteOptions = NonNullable<Parameters<ConnectRouter["service"]>[2]>;

/** The error with which a stream without an end of its own ends, when its call's signal is aborted. */
export function endOf(signal: AbortSignal): ConnectError {
  // A deadline is one of Connect's own errors. Nobody reads the answer to a call that its caller gave up, so what is
  // left is a server that shuts down.
  return signal.reason instanceof ConnectError
    ? signal.reason
    : new ConnectError("the server is shutting down", Code.Unavailable);
}
