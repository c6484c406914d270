import {
  CLIENT_PREFACE,
  concat,
  ErrorCode,
  Flag,
  FrameType,
  Setting,
  uint32,
} from "../../../support/raw-http2/frame.ts";
import { type Field, headerBlock } from "../../../support/raw-http2/header-block.ts";
import type { RawClient } from "../../../support/raw-http2/client.ts";
import { envelope } from "../../../support/raw-http2/session.ts";
import { BIDI, head, message, type Request, send } from "../request.ts";

const bytes = (...values: number[]) => new Uint8Array(values);
const hello = envelope(message("a"));

/** Something that is said before an ordinary call, which is what is looked at. */
const before = (name: string, say: (client: RawClient) => void): Request => ({
  name,
  play: (client) => {
    say(client);
    return send({})(client);
  },
});
/** A request of header fields alone that are not as they should be. */
const fields = (name: string, all: readonly Field[]): Request => ({
  name,
  play: (client) => {
    const id = client.nextId();
    client.headers(id, all);
    client.data(id, hello, { endStream: true });
    return id;
  },
});
const usual = head();
const without = (name: string) => usual.filter(([field]) => field !== name);

/** Frames, right and wrong, at this level; gRPC doesn't come into it. */
export const HTTP2: readonly Request[] = [
  before("PING", (client) => client.ping(bytes(1, 2, 3, 4, 5, 6, 7, 8))),
  before("a PING of 7 bytes", (client) => client.frame(FrameType.ping, 0, 0, bytes(1, 2, 3, 4, 5, 6, 7))),
  before("a PING on a stream", (client) => client.frame(FrameType.ping, 0, 1, new Uint8Array(8))),
  before("SETTINGS of 5 bytes", (client) => client.frame(FrameType.settings, 0, 0, new Uint8Array(5))),
  before("SETTINGS on a stream", (client) => client.frame(FrameType.settings, 0, 1)),
  before(
    "an ACK of SETTINGS with content",
    (client) => client.frame(FrameType.settings, Flag.ack, 0, new Uint8Array(6)),
  ),
  before("ENABLE_PUSH 2", (client) => client.settings([[Setting.enablePush, 2]])),
  before("INITIAL_WINDOW_SIZE of 2^31", (client) => client.settings([[Setting.initialWindowSize, 2 ** 31]])),
  before("MAX_FRAME_SIZE of 16,383", (client) => client.settings([[Setting.maxFrameSize, 16_383]])),
  before("a header table of no bytes", (client) => client.settings([[Setting.headerTableSize, 0]])),
  before("WINDOW_UPDATE of 0 for the connection", (client) => client.windowUpdate(0, 0)),
  before("a connection's window above 2^31-1", (client) => client.windowUpdate(0, 0x7fff_ffff)),
  before("a WINDOW_UPDATE of 3 bytes", (client) => client.frame(FrameType.windowUpdate, 0, 0, bytes(0, 0, 1))),
  before("WINDOW_UPDATE for a stream that is idle", (client) => client.windowUpdate(101, 1)),
  before("RST_STREAM for a stream that is idle", (client) => client.rst(101)),
  before("RST_STREAM on stream 0", (client) => client.rst(0)),
  before("a RST_STREAM of 3 bytes", (client) => client.frame(FrameType.rstStream, 0, 1, bytes(0, 0, 0))),
  before("a frame of a type that there is not", (client) => client.frame(0xbe, 0xff, 0, bytes(1, 2, 3))),
  before("a frame above the largest size", (client) => client.frame(FrameType.data, 0, 1, new Uint8Array(16_385))),
  before(
    "PUSH_PROMISE",
    (client) => client.frame(FrameType.pushPromise, Flag.endHeaders, 1, concat(uint32(2), headerBlock(usual))),
  ),
  before("CONTINUATION without HEADERS", (client) => client.continuation(1, headerBlock(usual), true)),
  before("DATA on stream 0", (client) => client.data(0, hello)),
  before("DATA on a stream that is idle", (client) => client.data(1, hello)),
  before("HEADERS on stream 0", (client) => client.headers(0, usual)),
  before("HEADERS on an even stream", (client) => client.headers(2, usual)),
  before(
    "padding longer than its frame",
    (client) => client.frame(FrameType.headers, Flag.padded | Flag.endHeaders, 1, bytes(200, 1)),
  ),
  before(
    "PRIORITY of a stream that is idle",
    (client) => client.frame(FrameType.priority, 0, 7, bytes(0, 0, 0, 0, 16)),
  ),
  before(
    "a PRIORITY of 4 bytes, on another stream",
    (client) => client.frame(FrameType.priority, 0, 7, bytes(0, 0, 0, 0)),
  ),
  before(
    "a header block that is no HPACK",
    (client) => client.headers(client.nextId(), bytes(0xff, 0xff, 0xff, 0xff, 0xff)),
  ),
  before("an index that there is not", (client) => client.headers(client.nextId(), bytes(0xfe))),
  before("a frame between HEADERS and CONTINUATION", (client) => {
    client.headers(client.nextId(), headerBlock(usual).subarray(0, 5), { endHeaders: false });
    client.ping();
  }),
  before("GOAWAY(NO_ERROR) of the client's", (client) => client.goaway(0)),
  {
    name: "a call that is over, and WINDOW_UPDATE and RST_STREAM for it",
    play: async (client) => {
      const id = send({})(client);
      await client.reply(id);
      client.windowUpdate(id, 100);
      client.rst(id);
      return send({})(client);
    },
  },
  {
    name: "DATA after END_STREAM",
    play: (client) => {
      const id = send({ texts: ["wait after-end"] })(client);
      client.data(id, hello);
      return id;
    },
  },
  {
    name: "HEADERS after END_STREAM",
    play: (client) => {
      const id = send({ texts: ["wait headers-after-end"] })(client);
      client.headers(id, usual, { endStream: true });
      return id;
    },
  },
  {
    name: "trailers without END_STREAM",
    play: (client) => {
      const id = client.nextId();
      client.headers(id, usual);
      client.data(id, hello);
      client.headers(id, [["x-trailer", "t"]]);
      return id;
    },
  },
  {
    name: "a stream id below one that was used",
    play: (client) => {
      client.headers(5, head(BIDI));
      client.headers(3, head(BIDI));
      return 3;
    },
  },
  {
    name: "WINDOW_UPDATE of 0 for a stream",
    play: (client) => {
      const id = client.nextId();
      client.headers(id, head(BIDI));
      client.windowUpdate(id, 0);
      return id;
    },
  },
  {
    name: "a stream's window above 2^31-1",
    play: (client) => {
      const id = client.nextId();
      client.headers(id, head(BIDI));
      client.windowUpdate(id, 0x7fff_ffff);
      return id;
    },
  },
  fields("no :method", without(":method")),
  fields("no :scheme", without(":scheme")),
  fields("no :path", without(":path")),
  fields("no :authority", without(":authority")),
  fields("an empty :path", head("")),
  fields(":path twice", [[":path", "/proto.Simple/Route"], ...usual]),
  fields("a pseudo-header field that there is not", [[":x", "1"], ...usual]),
  fields("a pseudo-header field of responses", [[":status", "200"], ...usual]),
  fields("a pseudo-header field after others", [...without(":path"), [":path", "/proto.Simple/Route"]]),
  fields("a name in upper case", [...usual, ["X-A", "1"]]),
  fields("a name that is empty", [...usual, ["", "1"]]),
  fields("a name with a space", [...usual, ["x a", "1"]]),
  fields("a value with a line break", [...usual, ["x-a", "1\n2"]]),
  fields("a value with a zero byte", [...usual, ["x-a", "1\u00002"]]),
  fields("a connection field", [...usual, ["connection", "close"]]),
  fields("transfer-encoding", [...usual, ["transfer-encoding", "chunked"]]),
  fields("te with another value than trailers", [...without("te"), ["te", "gzip"]]),
  fields("a content-length that is too large", [...usual, ["content-length", "100"]]),
  fields("a content-length that is too small", [...usual, ["content-length", "3"]]),
  fields("a content-length that is no number", [...usual, ["content-length", "x"]]),
  fields("a header list of 100 KiB", [
    ...usual,
    ["x-a", "v".repeat(15_000)],
    ...Array.from({ length: 6 }, (_, i): Field => [`x-${i}`, "v".repeat(100)]),
  ]),
  {
    name: "a preface that is wrong in its second half",
    handshake: false,
    play: (client) => {
      client.raw(CLIENT_PREFACE.replace("SM", "MS"));
      client.settings();
      return 1;
    },
  },
  {
    name: "a preface without SETTINGS",
    handshake: false,
    play: (client) => {
      client.raw(CLIENT_PREFACE);
      client.ping();
      return send({})(client);
    },
  },
  {
    name: "a request right behind the preface, before the server's SETTINGS",
    handshake: false,
    play: (client) => {
      client.raw(CLIENT_PREFACE);
      client.settings();
      return send({})(client);
    },
  },
  {
    name: "a request, and the end of the client's side",
    play: (client) => {
      const id = send({})(client);
      client.end();
      return id;
    },
  },
  {
    name: "a reset in place of END_STREAM",
    play: async (client) => {
      const id = client.nextId();
      client.headers(id, head(BIDI));
      client.data(id, hello);
      await client.read(({ type, streamId }) => type === FrameType.data && streamId === id);
      client.rst(id, ErrorCode.cancel);
      return send({})(client);
    },
  },
];
