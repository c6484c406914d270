// Connect and gRPC-Web in, gRPC out: for browsers, Workers and curl. Messages stay as they are; only what is around them
// is translated.

import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { Cors, type CorsOptions } from "../../grpc/server/cors.ts";
import type { HttpAnswer } from "../../grpc/server/http-answer.ts";
import type { Peer } from "../../http2/server/peer.ts";
import type { CallCounter } from "../../snapshot.ts";
import type { ProxyRefusals } from "./refusals.ts";
import { connectStream, connectStreamError } from "./connect-stream.ts";
import { connectUnary, connectUnaryError } from "./connect-unary.ts";
import { grpcWeb, grpcWebError } from "./grpc-web.ts";
import { once } from "./messages.ts";
import { requestMetadata } from "./metadata.ts";
import { isForClient } from "./request-error.ts";
import { RawMethods } from "./raw-methods.ts";
import { noJson, type WebCall, type WebTarget } from "./web-call.ts";
import { destinationOf, type WebProtocol, webProtocol } from "./web-request.ts";

/** What answers requests of the web is made of. */
export interface WebOptions {
  /** Where a request goes; a text that says why if it goes nowhere. */
  target(authority: string, path: string): WebTarget | string;
  /** A request's header without what clients can't be believed, and with what the proxy says of them. */
  forwarded(header: Headers, authority: string, peer: Peer): Headers;
  /** What a client learns of a call that no server answered. */
  unanswered(error: ConnectError): ConnectError;
  /** What counts the calls. */
  readonly calls: CallCounter;
  /** What counts requests that become no calls. */
  readonly refused: ProxyRefusals;
  readonly cors: CorsOptions | undefined;
}

/** Answers requests of Connect and gRPC-Web, on whatever they arrive. */
export function webAnswer(options: WebOptions): HttpAnswer {
  const methods = new RawMethods(), cors = options.cors && new Cors(options.cors);
  return async (request, peer) => {
    const preflight = cors?.preflight(request);
    if (preflight !== undefined) return preflight;
    const response = await answered(request, peer, options, methods);
    return cors === undefined ? response : cors.readable(request, response);
  };
}

async function answered(
  request: UniversalServerRequest,
  peer: Peer,
  options: WebOptions,
  methods: RawMethods,
): Promise<UniversalServerResponse> {
  const { refused } = options, protocol = protocolOf(request);
  if (protocol === undefined) {
    refused.unsupported++;
    return refusal(request);
  }
  const { authority, path } = destinationOf(request.url), target = options.target(authority, path);
  if (typeof target === "string") {
    refused.noRoute++;
    return failed(new ConnectError(target, Code.Unimplemented), protocol, 404);
  }
  const { format } = protocol, isJson = format === "json" && !target.json;
  if (isJson || (request.method === "GET" && !target.idempotent)) {
    refused.unsupported++;
    return isJson ? failed(noJson(), protocol, 415) : text(405, NO_GET, { allow: "POST" });
  }
  const shown = (error: ConnectError) => isForClient(error) ? error : options.unanswered(error);
  const ended = counted(options.calls, request.signal);
  try {
    const header = requestMetadata(options.forwarded(request.header, authority, peer));
    const call: WebCall = { request, path, format, target, methods, header, shown, ended };
    if (protocol.name === "connect-unary") return await connectUnary(call);
    return await (protocol.name === "connect-stream" ? connectStream(call) : grpcWeb(call, protocol));
  } catch (thrown) {
    const error = ConnectError.from(thrown, Code.Internal);
    ended(true);
    return failed(shown(error), protocol);
  }
}

/** Counts a call, which has ended when the function is called for the first time, or its client has left. */
function counted(calls: CallCounter, signal: AbortSignal): WebCall["ended"] {
  let over = false;
  calls.started++;
  const ended = (failed: boolean) => {
    if (over) return;
    over = true;
    if (failed) calls.failed++;
    else calls.succeeded++;
  };
  if (signal.aborted) ended(true);
  else signal.addEventListener("abort", () => ended(true), { once: true });
  return ended;
}

/** Connect's GET requests have no content type. */
function protocolOf({ header, method, url }: UniversalServerRequest): WebProtocol | undefined {
  if (method === "POST") return webProtocol(header.get("content-type") ?? "");
  if (method !== "GET" || !URL.canParse(url)) return undefined;
  const encoding = new URL(url).searchParams.get("encoding");
  return encoding === "proto" || encoding === "json" ? { name: "connect-unary", format: encoding } : undefined;
}

function failed(error: ConnectError, protocol: WebProtocol, status?: number): UniversalServerResponse {
  if (protocol.name === "connect-unary") return connectUnaryError(error, status);
  if (protocol.name === "connect-stream") return connectStreamError(error, protocol.format);
  return grpcWebError(error, protocol);
}

/** Pages of other sites can make browsers send a GET request without a question. */
const NO_GET = "GET is for methods that the proxy lists as idempotent. Send the call with POST.";

function refusal({ header }: UniversalServerRequest): UniversalServerResponse {
  if (/^application\/grpc(?:$|[+; \t])/i.test(header.get("content-type") ?? "")) {
    return text(505, "gRPC needs HTTP/2 with trailers. Over HTTP/1.1, this proxy speaks Connect and gRPC-Web.");
  }
  return text(415, "This proxy speaks gRPC, gRPC-Web and Connect.", {
    "accept-post": "application/grpc, application/grpc-web, application/grpc-web-text, application/connect+proto, " +
      "application/proto",
  });
}

function text(status: number, message: string, more: Readonly<Record<string, string>> = {}): UniversalServerResponse {
  const bytes = new TextEncoder().encode(`${message}\n`);
  const header = new Headers({
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(bytes.length),
    ...more,
  });
  return { status, header, body: once(bytes) };
}
