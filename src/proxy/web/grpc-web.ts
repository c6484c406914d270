// gRPC-Web (gRPC's PROTOCOL-WEB), binary and as text: gRPC whose trailers are the last frame of the content.

import type { ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { parseTimeout, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { asText, fromText } from "./base64-body.ts";
import { ACCEPTED, compressionNamed, frame, messagesOf } from "./messages.ts";
import { responseMetadata } from "./metadata.ts";
import { bareError, frames, lastFrameAlone, linkedSignal } from "./stream-answer.ts";
import { bodyOf, checkedTimeout, streamingMethod, type WebCall } from "./web-call.ts";
import type { WebProtocol } from "./web-request.ts";

/** Makes the call, and answers it. @throws ConnectError for what fails before there is a response */
export async function grpcWeb(call: WebCall, protocol: WebProtocol): Promise<UniversalServerResponse> {
  const { header, request: { header: sent, signal }, target } = call;
  const timeoutMs = checkedTimeout(parseTimeout(sent.get("grpc-timeout"), Infinity));
  const compression = compressionNamed(sent.get("grpc-encoding"));
  const linked = linkedSignal(signal, timeoutMs), method = streamingMethod(call), body = bodyOf(call);
  const input = messagesOf(protocol.name === "grpc-web-text" ? fromText(body) : body, compression);
  const response = await target.transport.stream(method, linked.signal, timeoutMs, header, input);
  return answer(
    protocol,
    responseMetadata(response.header),
    frames(response, trailers, { ...call, cancel: linked.cancel }),
  );
}

/** The answer that says why a call failed. */
export function grpcWebError(error: ConnectError, protocol: WebProtocol): UniversalServerResponse {
  return answer(protocol, new Headers({ "grpc-accept-encoding": ACCEPTED }), lastFrameAlone(error, trailers));
}

function answer(
  { format, name }: WebProtocol,
  header: Headers,
  body: AsyncIterable<Uint8Array>,
): UniversalServerResponse {
  header.set("content-type", `application/${name}+${format}`);
  return { status: 200, header, body: name === "grpc-web-text" ? asText(body) : body };
}

function trailers(trailer: Headers, error: ConnectError | undefined): Uint8Array {
  const all = responseMetadata(trailer);
  if (error === undefined) all.set("grpc-status", "0");
  else {
    responseMetadata(error.metadata).forEach((value, name) => all.set(name, value));
    setTrailerStatus(all, bareError(error));
  }
  return frame(trailerFlag, trailerSerialize(all));
}
