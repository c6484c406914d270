import { gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { answer, type Behaviour, message, request } from "../behaviour.ts";
import { concat } from "../../support/raw-http2/frame.ts";
import { envelope, OK_HEADERS, OK_TRAILERS } from "../../support/raw-http2/session.ts";

/** DATA of any bytes within a right answer. */
function body(bytes: Uint8Array, headers: readonly (readonly [string, string])[] = []) {
  return request((session, id) => {
    session.headers(id, [...OK_HEADERS, ...headers]);
    session.data(id, bytes);
    session.headers(id, OK_TRAILERS, { endStream: true });
  });
}

const GZIP = [["grpc-encoding", "gzip"]] as const;
const zipped = (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes));

/** A response that can't be read is the server's fault, whatever is wrong with it. */
const UNREADABLE = {
  reason: "connect-node calls what a server sent an invalid argument",
  code: Code.Internal,
} as const;

/** Messages and their envelopes. */
export const FRAMING: readonly Behaviour[] = [
  { name: "no message", play: answer({}) },
  { name: "no message on a server stream", kind: "server", play: answer({}) },
  { name: "no message on a client stream", kind: "client", play: answer({}) },
  { name: "two messages on a unary call", play: answer({ messages: [message("1"), message("2")] }) },
  { name: "two messages on a client stream", kind: "client", play: answer({ messages: [message("1"), message("2")] }) },
  {
    name: "two messages and an error on a unary call",
    play: answer({ messages: [message("1"), message("2")], trailers: [["grpc-status", "5"]] }),
  },
  {
    name: "three messages in one DATA frame",
    kind: "server",
    play: body(concat(envelope(message("1")), envelope(message("2")), envelope(message("3")))),
  },
  {
    name: "100 messages",
    kind: "server",
    play: answer({ messages: Array.from({ length: 100 }, (_, i) => message(`${i}`)) }),
  },
  { name: "messages to a bidi stream", kind: "bidi", play: answer({ messages: [message("1"), message("2")] }) },
  {
    name: "a message before the request's end",
    kind: "bidi",
    play: async (session) => {
      await session.handshake();
      const id = await session.request();
      session.headers(id, OK_HEADERS);
      session.data(id, envelope(message("early")));
      await session.read((frame) => frame.streamId === id && (frame.flags & 1) !== 0);
      session.headers(id, OK_TRAILERS, { endStream: true });
    },
  },
  { name: "a message that is not Protobuf", play: answer({ messages: [new Uint8Array([0xff, 0xff, 0xff])] }) },
  {
    name: "a message that is not Protobuf on a server stream",
    kind: "server",
    play: answer({ messages: [message("1"), new Uint8Array([0x12, 0x7f])] }),
  },
  { name: "an envelope that is cut in its head", play: body(new Uint8Array([0, 0, 0])), differs: UNREADABLE },
  ...(["unary", "server", "client", "bidi"] as const).map((kind): Behaviour => ({
    name: `an envelope that is cut in its message on a call of kind ${kind}`,
    kind,
    play: body(envelope(message()).subarray(0, 8)),
    differs: UNREADABLE,
  })),
  {
    name: "a cut envelope after a message on a server stream",
    kind: "server",
    play: body(concat(envelope(message("1")), envelope(message("2")).subarray(0, 7))),
    differs: { ...UNREADABLE, messages: ["1"] },
  },
  {
    name: "a cut envelope, and the end of the stream with it",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.data(id, envelope(message()).subarray(0, 8), { endStream: true });
    }),
    differs: UNREADABLE,
  },
  {
    name: "a cut envelope, and trailers that say why",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.data(id, envelope(message()).subarray(0, 8));
      session.headers(id, [["grpc-status", "15"], ["grpc-message", "the disk is gone"]], { endStream: true });
    }),
    differs: { ...UNREADABLE, code: Code.DataLoss, message: /the disk is gone/ },
  },
  { name: "an envelope that claims 4 GiB", play: body(envelope(message(), 0, 0xffff_ffff)), readMaxBytes: 1_000 },
  { name: "a message above readMaxBytes", play: answer({ messages: [message("y".repeat(200))] }), readMaxBytes: 100 },
  {
    name: "a message of exactly readMaxBytes",
    play: answer({ messages: [message("y".repeat(95))] }),
    readMaxBytes: 100,
  },
  {
    name: "a message above readMaxBytes on a server stream",
    kind: "server",
    play: answer({ messages: [message("1"), message("y".repeat(200))] }),
    readMaxBytes: 100,
  },
  { name: "an unknown envelope flag", play: body(envelope(message(), 0x02)) },
  { name: "a flag of gRPC-Web's trailers", play: body(envelope(new TextEncoder().encode("grpc-status: 0\r\n"), 0x80)) },
  { name: "a compressed message", play: body(envelope(zipped(message()), 1), GZIP) },
  {
    name: "a compressed message and one that is not",
    kind: "server",
    play: body(concat(envelope(zipped(message("1")), 1), envelope(message("2"))), GZIP),
  },
  { name: "a compressed empty message", play: body(envelope(new Uint8Array(0), 1), GZIP) },
  {
    name: "a message that only claims to be compressed",
    play: body(envelope(message(), 1), GZIP),
    differs: UNREADABLE,
  },
  {
    name: "a compressed message that is cut",
    play: body(envelope(zipped(message("y".repeat(100))).subarray(0, 20), 1), GZIP),
    differs: {
      reason: "web streams don't tell a cut message from a corrupt one; connect-node gives them two codes",
      code: Code.Internal,
      message: /decompression failed/,
      unsteady: true,
    },
  },
  {
    name: "a compressed message that grows above readMaxBytes",
    play: body(envelope(zipped(message("y".repeat(100_000))), 1), GZIP),
    readMaxBytes: 10_000,
  },
  { name: "a compressed message without an encoding", play: body(envelope(zipped(message()), 1)) },
  {
    name: "a compressed message with the encoding identity",
    play: body(envelope(message(), 1), [["grpc-encoding", "identity"]]),
  },
  { name: "an encoding that nobody offered", play: body(envelope(message()), [["grpc-encoding", "snappy"]]) },
  { name: "an encoding in capital letters", play: body(envelope(zipped(message()), 1), [["grpc-encoding", "GZIP"]]) },
  {
    name: "END_STREAM on the message instead of trailers",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.data(id, envelope(message()), { endStream: true });
    }),
  },
  {
    name: "END_STREAM on a server stream's message instead of trailers",
    kind: "server",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.data(id, envelope(message()), { endStream: true });
    }),
  },
];
