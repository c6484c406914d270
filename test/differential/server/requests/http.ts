import { envelope } from "../../../support/raw-http2/session.ts";
import { type Request, send } from "../request.ts";

const utf8 = new TextEncoder();

const typed = (name: string, type: string, body?: Uint8Array): Request => ({
  name,
  play: send({ without: ["content-type"], headers: [["content-type", type]], ...(body && { body }) }),
});
const json = (text: string) => envelope(utf8.encode(text));

/** Paths, methods and content types. */
export const HTTP: readonly Request[] = [
  typed("application/grpc+proto", "application/grpc+proto"),
  typed("application/grpc+json", "application/grpc+json", json('{"data":"a"}')),
  typed("JSON with an unknown field", "application/grpc+json", json('{"data":"a","b":1}')),
  typed("JSON that is invalid", "application/grpc+json", json('{"data":')),
  typed("JSON of another type", "application/grpc+json", json('{"data":7}')),
  typed("empty JSON", "application/grpc+json", json("")),
  typed("JSON with a command that fails", "application/grpc+json", json('{"data":"detail"}')),
  typed("a content type in upper case", "APPLICATION/GRPC"),
  typed("a content type with a parameter", "application/grpc; charset=utf-8"),
  typed("a message format that nobody knows", "application/grpc+thrift"),
  typed("a content type that only begins like gRPC's", "application/grpcx"),
  typed("text/plain", "text/plain"),
  typed("an empty content type", ""),
  { name: "no content type", play: send({ without: ["content-type"] }) },
  typed("Connect's unary protocol", "application/json", utf8.encode('{"data":"a"}')),
  typed("Connect's unary protocol with binary messages", "application/proto", new Uint8Array([0x0a, 1, 0x61])),
  typed("an error of Connect's unary protocol", "application/json", utf8.encode('{"data":"detail"}')),
  typed("gRPC-Web", "application/grpc-web+proto"),
  typed("gRPC-Web in text", "application/grpc-web-text", utf8.encode("AAAAAAMKAWE=")),
  { name: "a method that there is not", play: send({ path: "/proto.Simple/Rout" }) },
  { name: "a service that there is not", play: send({ path: "/proto.Simpler/Route" }) },
  { name: "a service without a method", play: send({ path: "/proto.Simple/" }) },
  { name: "the path /", play: send({ path: "/" }) },
  { name: "the path *", play: send({ path: "*" }) },
  { name: "a path with a prefix", play: send({ path: "/prefix/proto.Simple/Route" }) },
  { name: "a path in another case", play: send({ path: "/proto.simple/route" }) },
  { name: "a path that is escaped", play: send({ path: "/proto.Simple/R%6Fute" }) },
  { name: "a path with two slashes", play: send({ path: "//proto.Simple/Route" }) },
  { name: "a path that JavaScript's objects know", play: send({ path: "/constructor/toString" }) },
  ...["GET", "PUT", "HEAD", "OPTIONS", "DELETE", "post"].map((method) => ({
    name: `the method ${method}`,
    play: send({ headers: [[":method", method]], ...(method === "GET" && { body: new Uint8Array(0) }) }),
  })),
];
