import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { Readable } from "node:stream";

/**
 * Serves a handler of fetch requests with `node:http` or `node:https`, on Node, Bun and Deno:
 * `createServer(requestListener(page.handler))`, or `createServer(requestListener(server.handler))`.
 *
 * A handler that throws or rejects is answered for with 500, and its error printed. When the client leaves, the request's
 * signal aborts and the response's body is canceled.
 */
export function requestListener(handler: (request: Request) => Response | Promise<Response>): RequestListener {
  return (incoming, outgoing) => {
    void serve(handler, incoming, outgoing).catch((error: unknown) => {
      console.error("connect-lb: a request could not be answered", error);
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(500, { "content-type": "text/plain" }).end("internal error\n");
    });
  };
}

async function serve(
  handler: (request: Request) => Response | Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const left = new AbortController();
  outgoing.once("close", () => left.abort());
  const request = requestOf(incoming, left.signal);
  if (request === undefined) {
    outgoing.writeHead(400, { "content-type": "text/plain" }).end("bad request\n");
    return;
  }
  const response = await handler(request);
  response.headers.forEach((value, name) => {
    if (name !== "set-cookie") outgoing.setHeader(name, value);
  });
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  outgoing.writeHead(response.status);
  if (response.body === null || incoming.method === "HEAD") {
    await response.body?.cancel();
    outgoing.end();
  } else {
    await send(response.body, outgoing, left.signal);
  }
}

/** Undefined if there is none: for a target or a method that `Request` refuses. */
function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = "GET", url = "/", headers, socket } = incoming;
  const scheme = "encrypted" in socket ? "https" : "http";
  try {
    const header = Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith(":") || value === undefined ? [] : [value].flat().map((each) => [name, each] as [string, string])
    );
    const body = method === "GET" || method === "HEAD"
      ? null
      : Readable.toWeb(incoming) as unknown as ReadableStream<Uint8Array>;
    // A path that begins with "//" must not be taken for a host.
    const at = new URL(`${scheme}://${headers.host ?? "localhost"}${url.startsWith("/") ? url : "/"}`);
    return new Request(at, { method, headers: header, body, signal, ...body !== null && { duplex: "half" } });
  } catch {
    return undefined;
  }
}

/** Writes a body as fast as its reader takes it. */
async function send(body: ReadableStream<Uint8Array>, outgoing: ServerResponse, left: AbortSignal): Promise<void> {
  const reader = body.getReader();
  left.addEventListener("abort", () => void reader.cancel().catch(() => {}), { once: true });
  for (;;) {
    const { done, value } = await reader.read();
    if (done || left.aborted) break;
    if (!outgoing.write(value)) {
      await new Promise<void>((resolve) => {
        outgoing.once("drain", resolve);
        left.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }
  outgoing.end();
}
