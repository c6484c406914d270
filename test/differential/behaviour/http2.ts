import { Code } from "@connectrpc/connect";
import { type Behaviour, type Difference, message, request } from "../behaviour.ts";
import { concat, ErrorCode, Flag, FrameType, Setting, uint32 } from "../../support/raw-http2/frame.ts";
import { envelope, OK_HEADERS, OK_TRAILERS, type RawSession } from "../../support/raw-http2/session.ts";

const bytes = (...values: number[]) => new Uint8Array(values);

/** gRPC's own mapping (PROTOCOL-HTTP2, "Errors"). */
const RESETS: readonly (readonly [name: keyof typeof ErrorCode, code: Code])[] = [
  ["noError", Code.Internal],
  ["protocolError", Code.Internal],
  ["internalError", Code.Internal],
  ["flowControlError", Code.Internal],
  ["settingsTimeout", Code.Internal],
  ["streamClosed", Code.Unknown],
  ["frameSizeError", Code.Internal],
  ["refusedStream", Code.Unavailable],
  ["cancel", Code.Canceled],
  ["compressionError", Code.Internal],
  ["connectError", Code.Internal],
  ["enhanceYourCalm", Code.ResourceExhausted],
  ["inadequateSecurity", Code.PermissionDenied],
  ["http11Required", Code.PermissionDenied],
];

/** Unless a test says otherwise, nobody can tell whether the call was processed: the error has no mark. */
const differs = (reason: string, code: Code, more: Partial<Difference> = {}): Difference => ({
  reason,
  code,
  mark: null,
  unsteady: true,
  ...more,
});
const UNPROCESSED: Partial<Difference> = { mark: "refused" };
const UNSENT: Partial<Difference> = { mark: "not-sent" };
const RESET = "connect-node takes its code from a table that differs per runtime and never settles on NO_ERROR";
const LOST =
  "a lost connection is a cancellation, an abortion or an internal error in connect-node, by runtime and chance";
const BROKEN = "a broken peer crashes, hangs or surprises node:http2, in another way on each runtime";

/** A peer that breaks the protocol after a request; the connection is lost, and what happened to the call is unknown. */
const broken = (name: string, act: (session: RawSession, id: number) => void): Behaviour => ({
  name,
  play: request(act),
  differs: differs(BROKEN, Code.Unavailable),
});

/** Resets, losses and breaches of the protocol. */
export const HTTP2: readonly Behaviour[] = [
  ...RESETS.map(([name, code]): Behaviour => ({
    name: `RST_STREAM ${name} before an answer`,
    play: request((session, id) => session.rst(id, ErrorCode[name])),
    differs: differs(RESET, code, name === "refusedStream" ? UNPROCESSED : {}),
  })),
  ...RESETS.map(([name, code]): Behaviour => ({
    name: `RST_STREAM ${name} after a message of a server stream`,
    kind: "server",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.data(id, envelope(message("1")));
      session.rst(id, ErrorCode[name]);
    }),
    // REFUSED_STREAM after an answer has begun is a contradiction, and not believed.
    differs: differs(RESET, code, { messages: ["1"] }),
  })),
  {
    name: "GOAWAY that leaves the request out",
    play: request((session) => session.goaway(0)),
    differs: differs(
      "connect-node makes an internal error of it; gRPC says unavailable",
      Code.Unavailable,
      UNPROCESSED,
    ),
  },
  {
    name: "GOAWAY ENHANCE_YOUR_CALM that leaves the request out",
    play: request((session) => session.goaway(0, ErrorCode.enhanceYourCalm, "too_many_pings")),
    differs: differs(
      "connect-node makes an internal error of it; gRPC says unavailable",
      Code.Unavailable,
      UNPROCESSED,
    ),
  },
  {
    name: "GOAWAY with an error, then the connection's end",
    play: request((session, id) => {
      session.goaway(id, ErrorCode.internalError, "sorry");
      session.end();
    }),
    differs: differs(LOST, Code.Unavailable),
  },
  {
    name: "the connection's end before an answer",
    play: request((session) => session.end()),
    differs: differs(LOST, Code.Unavailable),
  },
  {
    name: "a reset connection before an answer",
    play: request((session) => session.reset()),
    differs: differs(LOST, Code.Unavailable),
  },
  {
    name: "the connection's end within a server stream",
    kind: "server",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.data(id, envelope(message("1")));
      session.end();
    }),
    differs: differs(LOST, Code.Unavailable, { messages: ["1"] }),
  },
  {
    name: "the connection's end within a message",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.data(id, envelope(message()).subarray(0, 7));
      session.end();
    }),
    differs: differs(LOST, Code.Unavailable),
  },
  {
    name: "a peer that takes the connection and ends it",
    play: (session) => session.end(),
    differs: differs(LOST, Code.Unavailable, UNSENT),
  },
  {
    name: "a peer that speaks HTTP/1.1",
    play: (session) => session.raw("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    differs: differs(BROKEN, Code.Unavailable, UNSENT),
  },
  {
    name: "a peer that sends garbage",
    play: (session) => session.raw(new Uint8Array(200).fill(0xff)),
    differs: differs(BROKEN, Code.Unavailable, UNSENT),
  },
  { name: "silence", play: request(() => {}), timeoutMs: 60 },
  { name: "silence after the headers", play: request((session, id) => session.headers(id, OK_HEADERS)), timeoutMs: 60 },
  {
    name: "silence on a server stream after a message",
    kind: "server",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.data(id, envelope(message("1")));
    }),
    timeoutMs: 60,
  },
  { name: "an abort while the server is silent", play: request(() => {}), abort: true },
  {
    name: "an abort of a server stream after a message",
    kind: "server",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.data(id, envelope(message("1")));
    }),
    abort: true,
    differs: differs(
      "an abort comes at once here; in connect-node, messages that came before it may be seen",
      Code.Canceled,
    ),
  },
  broken("DATA on stream 0", (session) => session.data(0, bytes(1))),
  broken("HEADERS on stream 0", (session) => session.headers(0, OK_HEADERS)),
  broken("HEADERS on a stream that the client never opened", (session, id) => session.headers(id + 2, OK_HEADERS)),
  broken("HEADERS on an even stream", (session) => session.headers(2, OK_HEADERS)),
  broken("DATA on an idle stream", (session, id) => session.data(id + 2, bytes(1))),
  broken("RST_STREAM of an idle stream", (session, id) => session.rst(id + 2)),
  broken("RST_STREAM on stream 0", (session) => session.rst(0)),
  broken("RST_STREAM of a wrong length", (session, id) => session.frame(FrameType.rstStream, 0, id, bytes(0, 0))),
  broken("PUSH_PROMISE though push is off", (session, id) => {
    session.frame(FrameType.pushPromise, Flag.endHeaders, id, concat(uint32(2), bytes(0x82)));
  }),
  broken("SETTINGS of a wrong length", (session) => session.frame(FrameType.settings, 0, 0, bytes(0, 1, 2))),
  broken("SETTINGS on a stream", (session, id) => session.frame(FrameType.settings, 0, id)),
  broken("a SETTINGS acknowledgement with content", (session) => {
    session.frame(FrameType.settings, Flag.ack, 0, new Uint8Array(6));
  }),
  broken("a frame size below the least", (session) => session.settings([[Setting.maxFrameSize, 100]])),
  broken("an initial window above the most", (session) => session.settings([[Setting.initialWindowSize, 2 ** 31]])),
  broken("PING of a wrong length", (session) => session.ping(bytes(1, 2, 3))),
  broken("PING on a stream", (session, id) => session.frame(FrameType.ping, 0, id, new Uint8Array(8))),
  broken("GOAWAY on a stream", (session, id) => session.frame(FrameType.goaway, 0, id, new Uint8Array(8))),
  broken("GOAWAY of a wrong length", (session) => session.frame(FrameType.goaway, 0, 0, bytes(0, 0, 0, 0))),
  broken("a window update of 0 for the connection", (session) => session.windowUpdate(0, 0)),
  broken("a window update beyond the most for the connection", (session) => session.windowUpdate(0, 0x7fff_ffff)),
  broken("a window update of a wrong length", (session, id) => session.frame(FrameType.windowUpdate, 0, id, bytes(1))),
  broken("a frame above the size limit", (session, id) => {
    session.headers(id, OK_HEADERS);
    session.data(id, new Uint8Array(16_385));
  }),
  broken("CONTINUATION without HEADERS", (session, id) => session.continuation(id, bytes(0x88), true)),
  broken("another frame within a header block", (session, id) => {
    session.headers(id, bytes(0x88), { endHeaders: false });
    session.ping();
  }),
  broken("CONTINUATION on another stream", (session, id) => {
    session.headers(id, bytes(0x88), { endHeaders: false });
    session.continuation(id + 2, bytes(), true);
  }),
  broken("padding longer than the frame", (session, id) => {
    session.headers(id, OK_HEADERS);
    session.frame(FrameType.data, Flag.padded, id, bytes(9, 1, 2));
  }),
  broken("an index beyond the tables", (session, id) => session.headers(id, bytes(0x88, 0xff, 0x20))),
  broken("an index of 0", (session, id) => session.headers(id, bytes(0x80))),
  broken("a header block that is cut", (session, id) => session.headers(id, bytes(0x88, 0x00, 0x05, 0x61))),
  broken("an integer without end in a header block", (session, id) => {
    session.headers(id, new Uint8Array(20).fill(0xff));
  }),
  broken("a dynamic table larger than allowed", (session, id) => session.headers(id, bytes(0x3f, 0xff, 0xff, 0x7f))),
  broken("Huffman padding of zeros", (session, id) => session.headers(id, bytes(0x88, 0x00, 0x01, 0x61, 0x81, 0x00))),
  {
    name: "DATA before HEADERS",
    play: request((session, id) => session.data(id, envelope(message()))),
    differs: differs(BROKEN, Code.Internal),
  },
  {
    name: "a window update of 0 for the stream",
    play: request((session, id) => session.windowUpdate(id, 0)),
    differs: differs(BROKEN, Code.Internal),
  },
  {
    name: "a window update beyond the most for the stream",
    play: request((session, id) => session.windowUpdate(id, 0x7fff_ffff)),
    differs: differs(BROKEN, Code.Internal),
  },
  {
    name: "trailers without END_STREAM",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.data(id, envelope(message()));
      session.headers(id, OK_TRAILERS);
    }),
    differs: differs(BROKEN, Code.Internal),
  },
];
