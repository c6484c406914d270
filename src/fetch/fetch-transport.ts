import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { markAttempt } from "../connection/mark.ts";
import { note } from "../connection/note.ts";

/**
 * What Connect's transports lack for calls over fetch: headers that are sent with each call that doesn't set the same
 * names itself, a refusal of bidirectional streams, and the right code for broken responses.
 */
export function fetchTransport(transport: Transport, defaults: HeadersInit | undefined): Transport {
  const merged = (header: HeadersInit | undefined): HeadersInit | undefined => {
    if (defaults === undefined) return header;
    const headers = new Headers(defaults);
    new Headers(header).forEach((value, name) => headers.set(name, value));
    return headers;
  };
  return {
    async unary(method, signal, timeoutMs, header, ...rest) {
      return await transport.unary(method, signal, timeoutMs, merged(header), ...rest).catch(rethrow);
    },
    async stream(method, signal, timeoutMs, header, ...rest) {
      if (method.methodKind === "bidi_streaming") throw bidi(method);
      const response = await transport.stream(method, signal, timeoutMs, merged(header), ...rest).catch(rethrow);
      return { ...response, message: rethrowing(response.message) };
    },
  };
}

function bidi(method: DescMethod): ConnectError {
  const text = `${method.parent.typeName}/${method.name} is a bidirectional stream, which fetch can't carry: ` +
    "use grpcConnector() of connect-lb/node or connect-lb/workers, or a server stream and unary calls";
  return note(new ConnectError(text, Code.Unimplemented), "final");
}

function rethrowing<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      return { next: () => iterator.next().catch(rethrow) };
    },
  };
}

/**
 * Connect reports a response that breaks the protocol as an invalid argument, as a server does with a request; in a
 * response it is the server's fault.
 */
function rethrow(error: unknown): never {
  const broken = error instanceof ConnectError && error.code === Code.InvalidArgument &&
    (error as { isWireError?: boolean }).isWireError !== true && error.rawMessage.startsWith("protocol error: ");
  if (!broken) throw error;
  const { rawMessage, metadata, cause } = error;
  throw markAttempt(new ConnectError(rawMessage, Code.Internal, metadata, undefined, cause), "answered");
}
