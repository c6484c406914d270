import { create, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { answer, type Behaviour, message, request } from "../behaviour.ts";
import { SimpleResponseSchema } from "../../../gen/simple_pb.ts";
import { concat } from "../../support/raw-http2/frame.ts";
import { integer } from "../../support/raw-http2/header-block.ts";
import { OK_HEADERS } from "../../support/raw-http2/session.ts";

const base64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));
const field = (number: number, bytes: Uint8Array) =>
  concat(integer(0, 8, (number << 3) | 2), varint(bytes.length), bytes);

function varint(value: number): Uint8Array {
  const out: number[] = [];
  for (; value > 127; value >>>= 7) out.push((value & 127) | 128);
  return new Uint8Array([...out, value]);
}

/** A `google.rpc.Status`, by hand: code (1), message (2), details (3). */
function status(code: number, text: string): string {
  const detail = create(AnySchema, {
    typeUrl: `type.googleapis.com/${SimpleResponseSchema.typeName}`,
    value: message("why"),
  });
  return base64(concat(
    new Uint8Array([0x08, code]),
    field(2, new TextEncoder().encode(text)),
    field(3, toBinary(AnySchema, detail)),
  ));
}

const withTrailers = (trailers: readonly (readonly [string, string])[]) => answer({ messages: [message()], trailers });
const trailersOnly = (...fields: readonly (readonly [string, string])[]) =>
  request((session, id) => session.headers(id, [...OK_HEADERS, ...fields], { endStream: true }));

const everyCode: Behaviour[] = [];
for (let code = 1; code <= 16; code++) {
  const fields = [["grpc-status", `${code}`], ["grpc-message", `code ${code}`], ["x-more", "m"]] as const;
  everyCode.push({ name: `grpc-status ${code} in trailers`, play: withTrailers(fields) });
  everyCode.push({ name: `grpc-status ${code} without a message`, play: answer({ trailers: fields.slice(0, 1) }) });
}

/** What servers say in grpc-status, grpc-message and grpc-status-details-bin. */
export const STATUS: readonly Behaviour[] = [
  {
    name: "a grpc-message with a space at its end",
    play: trailersOnly(["grpc-status", "12"], ["grpc-message", "no such method: "]),
    differs: {
      reason:
        "node:http2 drops a field with white space around its value, and with it the message of grpc-go's servers",
      code: Code.Unimplemented,
      message: /^no such method:$/,
    },
  },
  ...everyCode,
  { name: "trailers-only", play: trailersOnly(["grpc-status", "5"], ["grpc-message", "not here"], ["x-more", "m"]) },
  { name: "trailers-only with status 0", play: trailersOnly(["grpc-status", "0"]) },
  { name: "trailers-only without a status", play: trailersOnly() },
  { name: "trailers-only on a server stream", kind: "server", play: trailersOnly(["grpc-status", "8"]) },
  { name: "trailers-only with status 0 on a server stream", kind: "server", play: trailersOnly(["grpc-status", "0"]) },
  { name: "a status beyond 16", play: withTrailers([["grpc-status", "17"], ["grpc-message", "m"]]) },
  { name: "a negative status", play: withTrailers([["grpc-status", "-1"]]) },
  { name: "a status that is not a number", play: withTrailers([["grpc-status", "abc"]]) },
  { name: "an empty status", play: withTrailers([["grpc-status", ""]]) },
  { name: "a status with a leading zero", play: withTrailers([["grpc-status", "05"], ["grpc-message", "m"]]) },
  { name: "a status of 00", play: withTrailers([["grpc-status", "00"]]) },
  { name: "a status twice", play: withTrailers([["grpc-status", "5"], ["grpc-status", "5"]]) },
  { name: "a message with status 0", play: withTrailers([["grpc-status", "0"], ["grpc-message", "fine"]]) },
  { name: "no status", play: withTrailers([["x-more", "m"]]) },
  {
    name: "a status in the headers and a message",
    play: answer({ headers: [...OK_HEADERS, ["grpc-status", "5"]], messages: [message()] }),
  },
  {
    name: "status 0 in the headers and an error in the trailers",
    play: answer({
      headers: [...OK_HEADERS, ["grpc-status", "0"]],
      messages: [message()],
      trailers: [["grpc-status", "9"], ["grpc-message", "late"]],
    }),
  },
  {
    name: "a percent-encoded message",
    play: withTrailers([["grpc-status", "3"], ["grpc-message", "%e2%82%AC 100%25 %0a"]]),
  },
  { name: "an empty grpc-message", play: withTrailers([["grpc-status", "3"], ["grpc-message", ""]]) },
  {
    name: "a wrongly percent-encoded message",
    play: withTrailers([["grpc-status", "3"], ["grpc-message", "50% of %zz"]]),
    differs: {
      reason: "connect-node lets decodeURIComponent throw; gRPC says to keep what can't be decoded as it is",
      code: Code.InvalidArgument,
      message: /50% of %zz/,
    },
  },
  {
    name: "a message with bytes that are not UTF-8",
    play: withTrailers([["grpc-status", "3"], ["grpc-message", "a%ff"]]),
    differs: {
      reason: "connect-node lets decodeURIComponent throw; gRPC says not to discard a message over its encoding",
      code: Code.InvalidArgument,
      message: /a/,
    },
  },
  {
    name: "details",
    play: withTrailers([["grpc-status", "9"], ["grpc-message", "m"], ["grpc-status-details-bin", status(9, "m")]]),
  },
  {
    name: "details without padding",
    play: withTrailers([["grpc-status", "9"], ["grpc-status-details-bin", status(9, "m").replace(/=+$/, "")]]),
  },
  {
    name: "details in trailers-only",
    play: trailersOnly(["grpc-status", "9"], ["grpc-status-details-bin", status(9, "only")]),
  },
  {
    name: "details with another code",
    play: withTrailers([["grpc-status", "9"], ["grpc-message", "nine"], [
      "grpc-status-details-bin",
      status(5, "five"),
    ]]),
  },
  {
    name: "details with code 0 and an error status",
    play: withTrailers([["grpc-status", "9"], ["grpc-status-details-bin", status(0, "")]]),
  },
  {
    name: "details that are not base64",
    play: withTrailers([["grpc-status", "9"], ["grpc-message", "m"], ["grpc-status-details-bin", "%%%"]]),
  },
  {
    name: "details that are not a Status",
    play: withTrailers([["grpc-status", "9"], ["grpc-message", "m"], [
      "grpc-status-details-bin",
      base64(new Uint8Array([0xff, 0xff, 0xff])),
    ]]),
  },
  {
    name: "an error after messages",
    kind: "server",
    play: answer({
      messages: [message("1"), message("2")],
      trailers: [["grpc-status", "13"], ["grpc-message", "broke"]],
    }),
  },
  {
    name: "no status after messages",
    kind: "server",
    play: answer({ messages: [message("1"), message("2")], trailers: [["x-more", "m"]] }),
  },
  {
    name: "a status in the headers of a server stream",
    kind: "server",
    play: answer({ headers: [...OK_HEADERS, ["grpc-status", "5"]], messages: [message()] }),
  },
  {
    name: "an error to a client stream",
    kind: "client",
    play: answer({ trailers: [["grpc-status", "7"], ["grpc-message", "no"]] }),
  },
  {
    name: "an error to a bidi stream",
    kind: "bidi",
    play: answer({ messages: [message("1")], trailers: [["grpc-status", "10"]] }),
  },
];
