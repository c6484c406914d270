import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { appendHeaders, type UnaryRequest } from "@connectrpc/connect";
import {
  errorFromJsonBytes,
  trailerDemux,
  transformConnectPostToGetRequest,
  validateResponse,
} from "@connectrpc/connect/protocol-connect";
import type { Codec } from "../grpc/codec.ts";
import { exchange, type HttpResponse } from "./http-client.ts";
import { compressed, wholeBody } from "./messages.ts";
import type { FetchSettings } from "./settings.ts";

/** The answer to a unary call. */
export interface UnaryAnswer {
  readonly header: Headers;
  readonly trailer: Headers;
  readonly message: MessageShape<DescMessage>;
}

/** Sends a unary call of the Connect protocol, whose body is the message. */
export async function sendConnectUnary(
  request: UnaryRequest,
  codec: Codec,
  settings: FetchSettings,
): Promise<HttpResponse> {
  const { bytes, by } = await compressed(codec.serialize(request.message), settings);
  if (by !== undefined) request.header.set("content-encoding", by.name);
  const gets = settings.useHttpGet &&
    request.method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  const { url, header, requestMethod, signal } = gets
    ? transformConnectPostToGetRequest(request, bytes, settings.isBinary)
    : request;
  const body = gets ? null : bytes as Uint8Array<ArrayBuffer>;
  return await exchange(settings.fetcher, url, { method: requestMethod, headers: header, body, signal });
}

/** Reads the answer. */
export async function readConnectUnary(
  response: HttpResponse,
  method: DescMethodUnary,
  codec: Codec,
  { isBinary, readMaxBytes, messages }: FetchSettings,
): Promise<UnaryAnswer> {
  const { methodKind } = method;
  const { isUnaryError, unaryError } = validateResponse(methodKind, isBinary, response.status, response.header);
  const [header, trailer] = trailerDemux(response.header);
  const body = await wholeBody(response, readMaxBytes);
  if (isUnaryError) throw errorFromJsonBytes(body, appendHeaders(header, trailer), unaryError);
  // Fetch may have decompressed it, and doesn't say on every runtime.
  messages?.messageReceived?.(body.length, body.length);
  return { header, trailer, message: codec.parse(body) };
}
