import { Code } from "@connectrpc/connect";
import { answer, type Behaviour, type Difference, message, request } from "../behaviour.ts";
import type { Field } from "../../support/raw-http2/header-block.ts";

const text = new TextEncoder();

function page(status: number, headers: readonly Field[] = [["content-type", "text/html"]]) {
  return request((session, id) => {
    session.headers(id, [[":status", `${status}`], ...headers]);
    session.data(id, text.encode("<html>no gRPC here</html>"), { endStream: true });
  });
}

/** A server without the service is a frequent mistake: a wrong port, a route that is missing. */
const notFound: Difference = {
  reason: "connect-node gives the number alone",
  code: Code.Unimplemented,
  message: /^HTTP 404: the server doesn't have this service or method$/,
  mark: "answered",
};

const statuses = [204, 301, 307, 400, 401, 403, 404, 408, 413, 429, 500, 501, 502, 503, 504, 599, 600, 799, 999];
const types = [
  "application/grpc",
  "application/grpc+proto",
  "APPLICATION/GRPC",
  "application/grpc+json",
  "application/grpcx",
  "application/grpc-web",
  "application/json",
  "text/html",
  "",
];

/** Of gRPC for grpc-go and grpc-java, and not for connect-node. */
const laxTypes = [
  "application/grpc; charset=utf-8",
  "application/grpc;charset=utf-8",
  "Application/gRPC ; Charset=UTF-8",
  "application/grpc;",
  "application/grpc+proto; charset=utf-8",
  'application/grpc+PROTO;a=b;c="d"',
  "application/grpc+thrift",
];

/** What proxies and servers of other protocols say in HTTP's own words. */
export const HTTP: readonly Behaviour[] = [
  ...statuses.map((status): Behaviour => ({
    name: `HTTP status ${status} with a page`,
    play: page(status),
    ...(status === 404 ? { differs: notFound } : {}),
  })),
  {
    name: "HTTP status 503 and nothing else",
    play: request((session, id) => session.headers(id, [[":status", "503"]], { endStream: true })),
  },
  { name: "HTTP status 404 on a server stream", kind: "server", play: page(404), differs: notFound },
  {
    name: "HTTP status 503 with a grpc-status",
    play: request((session, id) =>
      session.headers(id, [[":status", "503"], ["content-type", "application/grpc"], ["grpc-status", "5"]], {
        endStream: true,
      })
    ),
  },
  ...types.map((type): Behaviour => ({
    name: `content-type ${JSON.stringify(type)}`,
    play: answer({ headers: [[":status", "200"], ["content-type", type]], messages: [message()] }),
  })),
  ...laxTypes.map((type): Behaviour => ({
    name: `content-type ${JSON.stringify(type)}`,
    play: answer({ headers: [[":status", "200"], ["content-type", type]], messages: [message()] }),
    differs: { reason: "connect-node knows two spellings; gRPC allows any format and any parameters", code: undefined },
  })),
  { name: "no content-type", play: answer({ headers: [[":status", "200"]], messages: [message()] }) },
  { name: "a page with status 200", play: page(200) },
];
