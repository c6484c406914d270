import type { Field } from "../../../support/raw-http2/header-block.ts";
import { BIDI, type Request, send, SERVER_STREAM } from "../request.ts";

/** A call whose handler answers with the header fields that it has got. */
const sent = (name: string, ...headers: Field[]): Request => ({ name, play: send({ headers, texts: ["sent"] }) });

/** Header fields both ways. */
export const METADATA: readonly Request[] = [
  sent("no metadata"),
  sent("a header field", ["x-a", "1"]),
  sent("two fields of one name", ["x-a", "1"], ["x-a", "2"]),
  sent("an empty value", ["x-a", ""]),
  sent("a value with spaces and commas", ["x-a", "a b, c,d"]),
  sent("a value of 8 KiB", ["x-a", "v".repeat(8_192)]),
  sent("100 header fields", ...Array.from({ length: 100 }, (_, i): Field => [`x-${i}`, `${i}`])),
  sent("binary metadata", ["x-bin", "AAEC"]),
  sent("binary metadata with padding", ["x-bin", "AAECAw=="]),
  sent("two binary values in one field", ["x-bin", "AAEC,AQID"]),
  sent("binary metadata that is no base64", ["x-bin", "*"]),
  sent("a value that is not ASCII", ["x-a", "grüße"]),
  sent("a value of Latin-1", ["x-a", new Uint8Array([0x67, 0xfc])]),
  sent("cookies in two fields", ["cookie", "a=1"], ["cookie", "b=2"]),
  sent("a user agent", ["user-agent", "grpc-go/1.80.0"]),
  sent("grpc-accept-encoding, which is nobody's own", ["grpc-accept-encoding", "identity"]),
  sent("unknown fields that begin with grpc-", ["grpc-tags-bin", "AAE"], ["grpc-previous-rpc-attempts", "1"]),
  sent("a traceparent", ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]),
  sent("names that JavaScript's objects have", ["constructor", "1"], ["__proto__", "2"], ["tostring", "3"]),
  { name: "headers and trailers of an answer", play: send({ texts: ["headers x y"] }) },
  { name: "headers and trailers of an answer, empty", play: send({ texts: ["headers "] }) },
  { name: "headers and trailers of a server stream", play: send({ path: SERVER_STREAM, texts: ["0 headers x"] }) },
  { name: "headers and trailers of a bidi stream", play: send({ path: BIDI, texts: ["headers x", "b"] }) },
  {
    name: "headers of a stream that are set after its first message",
    play: send({ path: SERVER_STREAM, texts: ["1 headers x"] }),
  },
  { name: "headers and trailers of an error", play: send({ texts: ["headers-error x"] }) },
  {
    name: "headers and trailers of an error after messages",
    play: send({ path: SERVER_STREAM, texts: ["2 headers-error x"] }),
  },
  { name: "metadata of an error", play: send({ texts: ["error-metadata"] }) },
  { name: "metadata of an error after messages", play: send({ path: SERVER_STREAM, texts: ["2 error-metadata"] }) },
  { name: "a handler that sets gRPC's own fields", play: send({ texts: ["reserved"] }) },
  { name: "two cookies of an answer", play: send({ texts: ["cookies"] }) },
];
