// Streams of the Connect protocol, whose last message has trailers and error in JSON.

import type { ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { endStreamFlag, endStreamToJson, parseTimeout } from "@connectrpc/connect/protocol-connect";
import { checkVersion } from "./connect-unary.ts";
import { ACCEPTED, compressionNamed, frame, messagesOf } from "./messages.ts";
import { responseMetadata } from "./metadata.ts";
import { bareError, frames, lastFrameAlone, linkedSignal } from "./stream-answer.ts";
import { bodyOf, checkedTimeout, streamingMethod, type WebCall } from "./web-call.ts";

/** Makes the call, and answers it. @throws ConnectError for what fails before there is a response */
export async function connectStream(call: WebCall): Promise<UniversalServerResponse> {
  const { format, header, request: { header: sent, signal }, target } = call;
  checkVersion(sent.get("connect-protocol-version"));
  const timeoutMs = checkedTimeout(parseTimeout(sent.get("connect-timeout-ms"), Infinity));
  const compression = compressionNamed(sent.get("connect-content-encoding"));
  const linked = linkedSignal(signal, timeoutMs), method = streamingMethod(call);
  const input = messagesOf(bodyOf(call), compression);
  const response = await target.transport.stream(method, linked.signal, timeoutMs, header, input);
  const headers = responseMetadata(response.header);
  headers.set("content-type", `application/connect+${format}`);
  return { status: 200, header: headers, body: frames(response, endOfStream, { ...call, cancel: linked.cancel }) };
}

/** The answer that says why a call failed. */
export function connectStreamError(error: ConnectError, format: "proto" | "json"): UniversalServerResponse {
  const header = new Headers({
    "content-type": `application/connect+${format}`,
    "connect-accept-encoding": ACCEPTED,
  });
  return { status: 200, header, body: lastFrameAlone(error, endOfStream) };
}

function endOfStream(trailer: Headers, error: ConnectError | undefined): Uint8Array {
  const metadata = responseMetadata(trailer);
  // An error brings the trailers, too.
  if (error !== undefined) responseMetadata(error.metadata).forEach((value, name) => metadata.set(name, value));
  const end = endStreamToJson(metadata, error && bareError(error), undefined);
  return frame(endStreamFlag, new TextEncoder().encode(JSON.stringify(end)));
}
