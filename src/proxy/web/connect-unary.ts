// Unary calls of the Connect protocol: messages without prefix, trailers among the headers, errors in JSON.

import { Code, type ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { codeToHttpStatus, errorToJsonBytes, parseTimeout, trailerMux } from "@connectrpc/connect/protocol-connect";
import { ACCEPTED, compressionNamed, inflated, once, wholeBody } from "./messages.ts";
import { responseMetadata } from "./metadata.ts";
import { requestError } from "./request-error.ts";
import { linkedSignal } from "./stream-answer.ts";
import { bodyOf, checkedTimeout, unaryMethod, type WebCall } from "./web-call.ts";

/** Makes the call, and answers it. @throws ConnectError */
export async function connectUnary(call: WebCall): Promise<UniversalServerResponse> {
  const { format, header, request: { header: sent, method, signal, url }, target } = call;
  checkVersion(sent.get("connect-protocol-version"));
  const timeoutMs = checkedTimeout(parseTimeout(sent.get("connect-timeout-ms"), Infinity));
  const desc = unaryMethod(call);
  const value = method === "GET" ? await queryMessage(new URL(url).searchParams) : await bodyMessage(call);
  const linked = linkedSignal(signal, timeoutMs);
  const response = await target.transport.unary(desc, linked.signal, timeoutMs, header, { value });
  call.ended(false);
  const headers = trailerMux(responseMetadata(response.header), responseMetadata(response.trailer));
  headers.set("content-type", `application/${format}`);
  return answer(200, headers, response.message.value);
}

/** The answer that says why a call failed. */
export function connectUnaryError(
  error: ConnectError,
  status: number = codeToHttpStatus(error.code),
): UniversalServerResponse {
  const headers = responseMetadata(error.metadata);
  headers.set("content-type", "application/json");
  if (error.code === Code.Unimplemented) headers.set("accept-encoding", ACCEPTED);
  return answer(status, headers, errorToJsonBytes(error, undefined));
}

function answer(status: number, header: Headers, bytes: Uint8Array): UniversalServerResponse {
  header.set("content-length", String(bytes.length));
  return { status, header, body: once(bytes) };
}

async function bodyMessage(call: WebCall): Promise<Uint8Array<ArrayBuffer>> {
  const compression = compressionNamed(call.request.header.get("content-encoding"));
  const bytes = await wholeBody(bodyOf(call));
  return await inflated(bytes, compression);
}

/** The message of a GET request. @throws ConnectError InvalidArgument */
async function queryMessage(query: URLSearchParams): Promise<Uint8Array<ArrayBuffer>> {
  const compression = compressionNamed(query.get("compression"));
  const text = query.get("message") ?? "";
  const bytes = query.get("base64") === "1" ? fromBase64(text) : new TextEncoder().encode(text);
  return await inflated(bytes, compression);
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    const plain = text.replaceAll("-", "+").replaceAll("_", "/");
    return Uint8Array.from(atob(plain), (character) => character.charCodeAt(0));
  } catch {
    throw requestError("the message of the query is not base64");
  }
}

/** @throws ConnectError InvalidArgument for another version than Connect's only one */
export function checkVersion(version: string | null): void {
  if (version === null || version === "1") return;
  const shown = JSON.stringify(version.slice(0, 100));
  throw requestError(`connect-protocol-version must be "1", not ${shown}`);
}
