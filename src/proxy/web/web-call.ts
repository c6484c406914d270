// One request of the web on its way to a server, whatever protocol it is in.

import { Code, type ConnectError, type Transport } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { DEFAULT_READ_MAX_BYTES } from "../../grpc/message-options.ts";
import { asOwn, requestError } from "./request-error.ts";
import type { RawMethods, RawStreaming, RawUnary } from "./raw-methods.ts";

/** Where a request goes. */
export interface WebTarget {
  /** Makes its call: a transport whose links carry methods without a schema. */
  readonly transport: Transport;
  /** Whether the servers speak `application/grpc+json`. */
  readonly json: boolean;
  /** Whether its method may be repeated although it may have been processed. */
  readonly idempotent: boolean;
}

/** The largest request message; gRPC's usual limit. */
export const MOST_MESSAGE_BYTES: number = DEFAULT_READ_MAX_BYTES;

/** A request with all that is known of it before it is read. */
export interface WebCall {
  readonly request: UniversalServerRequest;
  readonly path: string;
  readonly format: "proto" | "json";
  readonly target: WebTarget;
  readonly methods: RawMethods;
  /** The metadata for the server. */
  readonly header: Headers;
  /** An error as clients may see it. */
  shown(error: ConnectError): ConnectError;
  /** The call is over, whether it failed or not; only the first time counts. */
  ended(failed: boolean): void;
}

/** The method that a call asks for. @throws ConnectError Unimplemented */
export function unaryMethod({ format, methods, path, target }: WebCall): RawUnary {
  return methods.unary(path, { format, idempotent: target.idempotent });
}

/** The same for streams. */
export function streamingMethod({ format, methods, path, target }: WebCall): RawStreaming {
  return methods.streaming(path, { format, idempotent: target.idempotent });
}

/** The content of a request. */
export function bodyOf({ request }: WebCall): AsyncIterable<Uint8Array> {
  return request.body as AsyncIterable<Uint8Array>;
}

/** What a client's timeout field says. @throws ConnectError for an invalid one, and for one that has passed */
export function checkedTimeout(
  { timeoutMs, error }: { readonly timeoutMs?: number; readonly error?: ConnectError | undefined },
): number | undefined {
  if (error !== undefined) throw asOwn(error);
  if (timeoutMs !== undefined && timeoutMs <= 0) {
    throw requestError("the operation timed out", Code.DeadlineExceeded);
  }
  return timeoutMs;
}

/** The error for messages in JSON, which only the servers could read. */
export function noJson(): ConnectError {
  return requestError(
    "this route takes binary messages (application/proto), not JSON: the proxy has no schema to translate by, and the " +
      "route does not say that its servers speak application/grpc+json",
    Code.Unimplemented,
  );
}
