import { Code, ConnectError } from "@connectrpc/connect";

/** The errors of this folder, which say what is wrong with a request. */
const own = new WeakSet<ConnectError>();

/** An error about a request, whose text is for its client. */
export function requestError(text: string, code: Code = Code.InvalidArgument): ConnectError {
  return asOwn(new ConnectError(text, code));
}

/** Says that an error's text is for the client. */
export function asOwn(error: ConnectError): ConnectError {
  own.add(error);
  return error;
}

/** Whether a client may see an error as it is: it is about the request, or the server's. */
export function isForClient(error: ConnectError): boolean {
  return error.isWireError || own.has(error) || (error.cause instanceof ConnectError && isForClient(error.cause));
}
