// A server of the demo service over HTTP/1.1, or over TLS with HTTP/1.1 and HTTP/2: Connect and gRPC-Web for fetch.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createSecureServer } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { type ConnectRouter, cors } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { server as identity } from "../tls.ts";

/** A request as the server saw it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly version: string;
  readonly headers: IncomingMessage["headers"];
}

/** A server for fetch. */
export interface Http1Server {
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly seen: readonly Seen[];
  /** Ends all connections, and goes on listening. */
  cut(): void;
  /** Ends all connections and stops listening. */
  close(): Promise<void>;
}

/** Options of {@link startHttp1Server}. */
export interface Http1ServerOptions {
  readonly tls?: boolean;
  /** Allows pages of any origin to call it. */
  readonly cors?: boolean;
  /** Listens here in place of a free port. */
  readonly port?: number;
  /** The path before the services' names. */
  readonly requestPathPrefix?: string;
}

/** Starts one on 127.0.0.1. */
export async function startHttp1Server(
  routes: (router: ConnectRouter) => void,
  options: Http1ServerOptions = {},
): Promise<Http1Server> {
  const { requestPathPrefix = "", port = 0 } = options;
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  const handler = connectNodeAdapter({ routes, requestPathPrefix });
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const { method = "", url = "", httpVersion: version, headers } = request;
    seen.push({ method, url, version, headers });
    if (options.cors) allowAnyOrigin(response);
    if (options.cors && method === "OPTIONS") response.writeHead(204).end();
    else handler(request, response);
  };
  const server = options.tls
    ? createSecureServer({ ...identity, allowHTTP1: true }, listener as never)
    : createServer(listener);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("session", (session: { on(event: "error", listener: () => void): void }) => session.on("error", () => {}));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    cut,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      cut();
      await closed;
    },
  };
}

/** The headers of Connect's own list, and no others, so that a client that needs more is noticed. */
function allowAnyOrigin(response: ServerResponse): void {
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-allow-methods", cors.allowedMethods.join());
  response.setHeader("access-control-allow-headers", cors.allowedHeaders.join());
  response.setHeader("access-control-expose-headers", cors.exposedHeaders.join());
}
