import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Peer } from "../../http2/server/peer.ts";
import { isGrpc } from "./request.ts";
import type { Services } from "./services.ts";

/** Answers a request of a client. */
export type HttpAnswer = (request: UniversalServerRequest, peer: Peer) => Promise<UniversalServerResponse>;

/** Answers requests over HTTP/1.1 or fetch, which carry Connect and gRPC-Web alone. */
export function httpAnswer(services: Services): HttpAnswer {
  return async (received, peer) => {
    const { method, url, header } = received;
    if (isGrpc(header.get("content-type") ?? "")) {
      return text(
        505,
        "gRPC needs HTTP/2 with trailers. Over HTTP/1.1 and fetch, this server speaks Connect and gRPC-Web.",
      );
    }
    const request = { ...received, signal: leftSignal(received.signal) };
    const contextValues = services.contextValues?.({ peer, method, url, header });
    const response = await services.answer(contextValues === undefined ? request : { ...request, contextValues }, peer);
    if (response.status !== 404 || response.body !== undefined) return response;
    return text(
      404,
      `${method} ${new URL(url).pathname}: there is no such method. This server speaks Connect, gRPC-Web and gRPC.`,
    );
  };
}

/** Aborts when the client has left, with the reason that a call over HTTP/2 has, whatever the runtime's is. */
function leftSignal(signal: AbortSignal): AbortSignal {
  const left = new AbortController();
  const abort = () => {
    left.abort(
      new ConnectError("the client closed the connection", Code.Canceled, undefined, undefined, signal.reason),
    );
  };
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return left.signal;
}

function text(status: number, message: string): UniversalServerResponse {
  const body = new TextEncoder().encode(`${message}\n`);
  return {
    status,
    header: new Headers({ "content-type": "text/plain; charset=utf-8", "content-length": String(body.length) }),
    body: once(body),
  };
}

// deno-lint-ignore require-await
async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
