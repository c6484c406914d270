import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { isGrpc } from "../grpc/server/request.ts";
import type { Services } from "../grpc/server/services.ts";
import type { Http1Answer } from "../socket/listener.ts";

/** Answers requests over HTTP/1.1, which carries Connect and gRPC-Web alone. */
export function httpAnswer(services: Services): Http1Answer {
  return async (request, peer) => {
    const { method, url, header } = request;
    if (isGrpc(header.get("content-type") ?? "")) {
      return text(
        505,
        "gRPC needs HTTP/2, which this port speaks, too. Over HTTP/1.1, it speaks Connect and gRPC-Web.",
      );
    }
    const contextValues = services.contextValues?.({ peer, method, url, header });
    const response = await services.answer(contextValues === undefined ? request : { ...request, contextValues });
    if (response.status !== 404 || response.body !== undefined) return response;
    return text(
      404,
      `${method} ${new URL(url).pathname}: there is no such method. This server speaks Connect, gRPC-Web and gRPC.`,
    );
  };
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
