import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { envelope } from "../../../support/raw-http2/session.ts";
import { CLIENT_STREAM, message, type Request, send } from "../request.ts";
import { concat } from "../../../support/raw-http2/frame.ts";

const plain = message("a");

/** A request whose message has the flag for "compressed". */
const compressed = (name: string, encoding: string | undefined, content: Uint8Array): Request => ({
  name,
  play: send({
    headers: encoding === undefined ? [] : [["grpc-encoding", encoding]],
    body: envelope(content, 1),
  }),
});
/** A request for a long answer, from a client that accepts encodings. */
const accepting = (name: string, ...encodings: string[]): Request => ({
  name,
  play: send({
    headers: encodings.map((encoding) => ["grpc-accept-encoding", encoding] as const),
    texts: ["characters 3000"],
  }),
});

/** Compressed messages both ways. */
export const COMPRESSION: readonly Request[] = [
  compressed("gzip", "gzip", gzipSync(plain)),
  compressed("deflate", "deflate", deflateSync(plain)),
  compressed("identity with the flag for compressed", "identity", plain),
  compressed("no encoding with the flag for compressed", undefined, plain),
  compressed("an encoding that nobody knows", "snappy", plain),
  compressed("two encodings in one field", "gzip,deflate", gzipSync(plain)),
  compressed("an encoding in upper case", "GZIP", gzipSync(plain)),
  compressed("an empty encoding", "", plain),
  compressed("gzip that is broken", "gzip", gzipSync(plain).fill(0x55, 10, 14)),
  compressed("gzip that is cut", "gzip", gzipSync(plain).subarray(0, 15)),
  compressed("gzip that is invalid", "gzip", plain),
  compressed("gzip with bytes behind it", "gzip", concat(gzipSync(plain), new Uint8Array(9).fill(7))),
  compressed("two members of gzip", "gzip", concat(gzipSync(plain.subarray(0, 2)), gzipSync(plain.subarray(2)))),
  compressed("deflate without its header", "deflate", deflateRawSync(plain)),
  compressed("an empty message with the flag for compressed", "gzip", new Uint8Array(0)),
  { name: "gzip without the flag", play: send({ headers: [["grpc-encoding", "gzip"]] }) },
  { name: "identity", play: send({ headers: [["grpc-encoding", "identity"]] }) },
  { name: "an encoding that nobody knows, without the flag", play: send({ headers: [["grpc-encoding", "snappy"]] }) },
  {
    name: "messages with and without compression in a stream",
    play: send({
      path: CLIENT_STREAM,
      headers: [["grpc-encoding", "gzip"]],
      body: concat(envelope(plain), envelope(gzipSync(plain), 1), envelope(plain)),
    }),
  },
  {
    name: "a message that is too large only when it is decompressed",
    options: "limited",
    play: send({
      headers: [["grpc-encoding", "gzip"]],
      body: envelope(gzipSync(message("x".repeat(2_000))), 1),
    }),
  },
  accepting("a client that accepts gzip", "gzip"),
  accepting("a client that accepts deflate", "deflate"),
  accepting("a client that accepts what nobody knows, and gzip", "snappy, gzip"),
  accepting("a client that accepts identity", "identity"),
  accepting("a client that accepts nothing that anybody knows", "snappy"),
  accepting("a client that accepts gzip in a second field", "identity", "gzip"),
  {
    name: "an answer below the size from which messages are compressed",
    play: send({ headers: [["grpc-accept-encoding", "gzip"]], texts: ["characters 100"] }),
  },
  {
    name: "an answer to a request of another encoding than it accepts",
    play: send({
      headers: [["grpc-encoding", "gzip"], ["grpc-accept-encoding", "identity"]],
      texts: ["characters 3000"],
    }),
  },
];
