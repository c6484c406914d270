// HTTP/1.1 for browsers and other clients of Connect and gRPC-Web, which can't begin with HTTP/2.

import http from "node:http";
import type net from "node:net";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Peer } from "../http2/server/peer.ts";
import type { Duplex } from "../socket/duplex.ts";
import { systemClock } from "../time/clock.ts";
import type { Http1Answer, Http1Server } from "../socket/listener.ts";

/** How long a client may be silent, in milliseconds. */
const SILENCE_MS = 60_000;
/**
 * How long a connection may be idle, in milliseconds. A request that arrives as its connection is being closed is lost,
 * so proxies and clients should be the ones that close theirs: most do after 60 s or sooner.
 */
const KEEP_ALIVE_MS = 75_000;

/** How long the rest of a request may take whose connection is closed after the response, in milliseconds. */
const LINGER_MS = 10_000;

const ON_DENO = "Deno" in globalThis;

/** Serves sockets that speak HTTP/1.1, which something else has accepted. */
export function http1Server(answer: Http1Answer): Http1Server {
  let closing = false;
  const clients = new Map<Duplex, Peer>();
  const current = new WeakMap<Duplex, http.IncomingMessage>();
  // Those between two requests. A server that doesn't listen has no list of its own: closeIdleConnections() is in vain.
  const idle = new Set<Duplex>();
  const server = http.createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    const { socket } = request;
    // Deno closes a connection that it did not accept itself after a response: the client must not use it again.
    if (closing || ON_DENO) response.setHeader("connection", "close");
    idle.delete(socket);
    current.set(socket, request);
    response.on("close", () => {
      if (current.get(socket) !== request) return;
      current.delete(socket);
      const over = () => {
        if (closing) socket.end();
        else if (clients.has(socket) && !current.has(socket)) idle.add(socket);
      };
      if (request.complete || socket.destroyed) over();
      else discard(request, socket, over);
    });
    void respond((asked) => answer(asked, clients.get(socket) ?? {}), request, response);
  });
  // A client may be silent while it is answered, and not while its request is incomplete.
  server.setTimeout(SILENCE_MS, (socket) => {
    if (current.get(socket)?.complete !== true) socket.destroy();
  });
  // A broken request is the client's affair.
  server.on("clientError", (_error, socket) => socket.destroy());
  return {
    serve(socket, client) {
      clients.set(socket, client);
      socket.on("close", () => {
        clients.delete(socket);
        idle.delete(socket);
      });
      // On Deno, the parser could get what comes next before what was read already.
      const read = ON_DENO ? (socket as net.Socket).read() as Uint8Array | null : null;
      server.emit("connection", socket);
      if (read !== null) (socket as net.Socket).emit("data", read);
      socket.resume();
    },
    close() {
      closing = true;
      for (const socket of idle) socket.destroy();
    },
    destroy() {
      for (const socket of clients.keys()) socket.destroy();
    },
  };
}

/**
 * Lets the runtime close a connection after a response only once the rest of the request has come, or its time has
 * passed: the system would otherwise reset it, and the client, which is still sending, lose the response.
 */
function closeLater(request: http.IncomingMessage, response: http.ServerResponse): void {
  const socket: Duplex = request.socket;
  const { destroy, destroySoon } = socket;
  const restore = () => Object.assign(socket, { destroy, destroySoon });
  const later = (error?: Error) => {
    restore();
    if (error !== undefined) return socket.destroy(error);
    const close = () => {
      timer.cancel();
      if (socket.destroySoon === undefined) socket.destroy();
      else socket.destroySoon();
    };
    const timer = systemClock.timer(LINGER_MS, close);
    request.on("end", close).on("close", close);
    return socket;
  };
  Object.assign(socket, { destroy: later, destroySoon: later });
  // Whatever closes it afterwards has its reasons.
  response.on("close", restore);
}

/** Drops what still comes of a request that was answered early: the next one on its connection is behind it. */
function discard(request: http.IncomingMessage, socket: Duplex, over: () => void): void {
  const timer = systemClock.timer(SILENCE_MS, () => socket.destroy());
  request.on("close", () => {
    timer.cancel();
    over();
  });
  request.resume();
}

async function respond(
  answer: (request: UniversalServerRequest) => Promise<UniversalServerResponse>,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  response.on("error", () => gone.abort());
  try {
    const { status, header, body } = await answer(universalRequest(request, gone.signal));
    response.statusCode = status;
    header?.forEach((value, name) => response.appendHeader(name, value));
    if (body !== undefined) await write(response, body, gone.signal);
    if (!request.complete) closeLater(request, response);
    response.end();
  } catch (error) {
    if (!gone.signal.aborted) console.error("connect-lb: a request could not be answered", error);
    response.destroy();
  }
}

function universalRequest(request: http.IncomingMessage, signal: AbortSignal): UniversalServerRequest {
  const header = new Headers();
  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) header.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  const scheme = "encrypted" in request.socket ? "https" : "http";
  return {
    httpVersion: "1.1",
    method: request.method!,
    // A broken Host is no reason to fail: only the path counts.
    url: `${scheme}://${
      /^[\w.:[\]-]+$/.test(header.get("host") ?? "") ? header.get("host") : "localhost"
    }${request.url}`,
    header,
    // Who stops reading must not destroy the request, which would leave the rest of it in its connection.
    body: request.iterator({ destroyOnReturn: false }),
    signal,
  };
}

/** Writes as fast as the client reads. */
async function write(
  response: http.ServerResponse,
  body: NonNullable<UniversalServerResponse["body"]>,
  signal: AbortSignal,
): Promise<void> {
  for await (const chunk of body) {
    if (signal.aborted) return;
    if (response.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      const go = () => {
        response.off("drain", go);
        signal.removeEventListener("abort", go);
        resolve();
      };
      response.on("drain", go);
      signal.addEventListener("abort", go);
    });
  }
}
