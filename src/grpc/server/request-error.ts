// What can be wrong with a request.

import { Code, ConnectError } from "@connectrpc/connect";
import type { Http2Error } from "../../http2/wire/error.ts";

/** A request that ends inside a message. */
export function incompleteRequest(): ConnectError {
  return new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
}

/** No message, where there must be one. */
export function missingMessage(kind: "unary" | "server-streaming"): ConnectError {
  return new ConnectError(`protocol error: missing input message for ${kind} method`, Code.Unimplemented);
}

/** A second message, where there must be one alone. */
export function unexpectedMessage(kind: "unary" | "server-streaming"): ConnectError {
  return new ConnectError(`protocol error: received extra input message for ${kind} method`, Code.Unimplemented);
}

let latest: ConnectError | undefined;

/**
 * The client reset the call, or left. One error for all calls that end by the same: when a client leaves, thousands can
 * end at a time, and to create an error takes longer than all else that ends a call.
 */
export function canceledBy(cause: Http2Error): ConnectError {
  if (latest?.cause !== cause) latest = new ConnectError(cause.message, Code.Canceled, undefined, undefined, cause);
  return latest;
}
