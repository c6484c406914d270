// What can be wrong with a request's messages.

import { Code, ConnectError } from "@connectrpc/connect";

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
