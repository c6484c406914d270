import { universalServerRequestFromFetch, universalServerResponseToFetch } from "@connectrpc/connect/protocol";
import type { Services } from "./services.ts";
import { isGrpc } from "./request.ts";

/** Answers requests of the Connect and gRPC-Web protocols. It takes one argument, so that it can be mounted anywhere. */
export type FetchHandler = (request: Request) => Promise<Response>;

/** The handler of fetch requests for services. It never rejects. */
export function fetchHandler(services: Services): FetchHandler {
  return async (request) => {
    if (isGrpc(request.headers.get("content-type") ?? "")) {
      return text(415, "gRPC needs HTTP/2 with trailers. What is served here speaks Connect and gRPC-Web.");
    }
    try {
      const universal = universalServerRequestFromFetch(request, {});
      const { contextValues } = services;
      if (contextValues !== undefined) {
        const { method, url, headers: header } = request;
        universal.contextValues = contextValues({ peer: {}, method, url, header });
      }
      const response = await services.answer(universal);
      if (response.status === 404) return text(404, `${request.method} ${new URL(request.url).pathname}: not found`);
      return universalServerResponseToFetch(response);
    } catch (error) {
      console.error("connect-lb: a request could not be answered", error);
      return text(500, "internal error");
    }
  };
}

function text(status: number, message: string): Response {
  return new Response(`${message}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}
