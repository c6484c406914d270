// What answers clients of Connect and gRPC-Web: over HTTP/2, beside gRPC, and over HTTP/1.1.

import type { ConnectError } from "@connectrpc/connect";
import { readMark } from "../connection/mark.ts";
import type { CorsOptions } from "../grpc/server/cors.ts";
import type { HttpAnswer } from "../grpc/server/http-answer.ts";
import { UniversalStream } from "../grpc/server/universal-stream.ts";
import type { Peer } from "../http2/server/peer.ts";
import { clientError } from "./client-error.ts";
import type { RelayHost } from "./client-stream.ts";
import type { AcceptOther } from "./dispatcher.ts";
import { forwarded, isDropped } from "./request-section.ts";
import type { Routes } from "./routes.ts";
import { webAnswer } from "./web/web-answer.ts";
import { isLongLived } from "./web/web-request.ts";

/** What answers requests that came in on one port; that is asked for with each request. */
export function proxyAnswer(
  routes: Routes,
  { calls, methods, refused }: RelayHost,
  cors: CorsOptions | undefined,
): (port: () => number) => HttpAnswer {
  return (portOf) =>
    webAnswer({
      target(authority, path) {
        const port = portOf(), route = routes.find(port, authority, path);
        if (route === undefined) return routes.unserved(port, authority, path);
        return { transport: route.transport, json: route.json, idempotent: methods.isIdempotent(path) };
      },
      forwarded: forwardedHeader,
      unanswered,
      calls,
      refused,
      cors,
    });
}

/** Makes the streams of HTTP/2 for them. */
export function acceptWeb(answer: HttpAnswer, { deadlines }: RelayHost): AcceptOther {
  return (head) => {
    const longLived = isLongLived(head.get("content-type") ?? "");
    return new UniversalStream(head, longLived, answer, undefined, deadlines);
  };
}

function forwardedHeader(header: Headers, authority: string, peer: Peer): Headers {
  const headers = new Headers();
  header.forEach((value, name) => {
    if (!isDropped(name)) headers.append(name, value);
  });
  const own = ["x-forwarded-proto", peer.secure === true ? "https" : "http", ...forwarded(authority, peer)];
  for (let i = 0; i < own.length; i += 2) headers.set(own[i]!, own[i + 1]!);
  return headers;
}

function unanswered(error: ConnectError): ConnectError {
  const end = readMark(error);
  return clientError(error, end === "maybe-processed" ? [{ address: "", end, error }] : []);
}
