import { Code } from "@connectrpc/connect";
import { answer, type Behaviour, message } from "../behaviour.ts";
import type { Field } from "../../support/raw-http2/header-block.ts";
import { OK_HEADERS, OK_TRAILERS } from "../../support/raw-http2/session.ts";

const both = (...fields: readonly Field[]) =>
  answer({ headers: [...OK_HEADERS, ...fields], messages: [message()], trailers: [...OK_TRAILERS, ...fields] });
const failing = (...fields: readonly Field[]) =>
  answer({ headers: [...OK_HEADERS, ["x-head", "h"]], trailers: [["grpc-status", "5"], ...fields] });

/** A message with such headers is malformed (RFC 9113, section 8.1.1). */
const MALFORMED = "malformed headers end the stream; the text of it is each implementation's own";

/** Header fields that servers send along. */
export const METADATA: readonly Behaviour[] = [
  { name: "a header and a trailer", play: both(["x-a", "1"]) },
  { name: "repeated fields", play: both(["x-a", "1"], ["x-b", "2"], ["x-a", "3"]) },
  { name: "a repeated field in one", play: both(["x-a", "1, 3"]) },
  { name: "an empty value", play: both(["x-a", ""]) },
  { name: "a value with spaces and commas", play: both(["x-a", 'a b, c;d="e"']) },
  { name: "a value of 8 KiB", play: both(["x-a", "v".repeat(8_192)]) },
  { name: "100 fields", play: both(...Array.from({ length: 100 }, (_, i): Field => [`x-${i}`, `${i}`])) },
  { name: "a binary value", play: both(["x-bin", "AAEC/w=="]) },
  { name: "a binary value without padding", play: both(["x-bin", "AAEC/w"]) },
  { name: "binary values joined by a comma", play: both(["x-bin", "AAE,AgM"]) },
  { name: "repeated binary values", play: both(["x-bin", "AAE"], ["x-bin", "AgM"]) },
  { name: "a binary value that is not base64", play: both(["x-bin", "?!"]) },
  {
    name: "two cookies",
    play: both(["set-cookie", "a=b"], ["set-cookie", "c=d"]),
    differs: { reason: "connect-node keeps only the last cookie of the trailers", code: undefined },
  },
  { name: "metadata of an error", play: failing(["x-a", "1"], ["x-a", "2"], ["x-bin", "AAE="]) },
  { name: "the same field in headers and trailers of an error", play: failing(["x-head", "t"]) },
  { name: "metadata of a server stream", kind: "server", play: both(["x-a", "1"]) },
  { name: "metadata of a client stream", kind: "client", play: both(["x-a", "1"]) },
  { name: "a value with bytes above ASCII", play: both(["x-a", new Uint8Array([0x61, 0xe9, 0x62])]) },
  {
    name: "a field name in capital letters",
    play: both(["X-Upper", "1"]),
    differs: { reason: MALFORMED, code: Code.Internal, unsteady: true },
  },
  {
    name: "a connection-specific field",
    play: both(["connection", "keep-alive"]),
    differs: { reason: MALFORMED, code: Code.Internal, unsteady: true },
  },
  {
    name: "a pseudo-header in the trailers",
    play: answer({ messages: [message()], trailers: [[":status", "200"], ...OK_TRAILERS] }),
    differs: { reason: MALFORMED, code: Code.Internal, unsteady: true },
  },
  {
    name: "headers without :status",
    play: answer({ headers: OK_HEADERS.slice(1), messages: [message()] }),
    differs: { reason: MALFORMED, code: Code.Internal, unsteady: true },
  },
  {
    name: "a pseudo-header after a regular one",
    play: answer({ headers: [...OK_HEADERS].reverse(), messages: [message()] }),
    differs: { reason: MALFORMED, code: Code.Internal, unsteady: true },
  },
  {
    name: "an unknown pseudo-header",
    play: both([":odd", "1"]),
    differs: { reason: MALFORMED, code: Code.Internal, unsteady: true },
  },
  {
    name: "a line feed in a value",
    play: both(["x-a", "1\n2"]),
    differs: { reason: MALFORMED, code: Code.Internal, unsteady: true },
  },
];
