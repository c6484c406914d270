import { concat, Flag, FrameType, Setting } from "../../../support/raw-http2/frame.ts";
import { type Field, headerBlock, integer, stringLiteral } from "../../../support/raw-http2/header-block.ts";
import type { RawClient } from "../../../support/raw-http2/client.ts";
import { envelope } from "../../../support/raw-http2/session.ts";
import { BIDI, CLIENT_STREAM, head, message, type Request, send, SERVER_STREAM } from "../request.ts";

const bytes = (...values: number[]) => new Uint8Array(values);
const hello = envelope(message("a"));

/** Begins an ordinary request, and leaves the rest to the case. */
function begun(then: (client: RawClient, id: number) => void | Promise<void>): Request["play"] {
  return async (client) => {
    const id = client.nextId();
    client.headers(id, head());
    await then(client, id);
    return id;
  };
}

/** Right requests, in all the shapes that gRPC and HTTP/2 allow. */
export const USUAL: readonly Request[] = [
  { name: "a plain call", play: send({}) },
  { name: "a call with an empty message", play: send({ body: envelope(bytes()) }) },
  { name: "a message of 1 MiB", play: send({ texts: ["x".repeat(2 ** 20)] }) },
  { name: "an answer of 1 MiB", play: send({ texts: ["characters 1048576"] }) },
  { name: "a server stream", play: send({ path: SERVER_STREAM, texts: ["3 last"] }) },
  { name: "a server stream of 1,000 messages", play: send({ path: SERVER_STREAM, texts: ["1000"] }) },
  { name: "a server stream without messages", play: send({ path: SERVER_STREAM, texts: ["0"] }) },
  { name: "a client stream", play: send({ path: CLIENT_STREAM, texts: ["a", "b", "c"] }) },
  { name: "a client stream without messages", play: send({ path: CLIENT_STREAM, texts: [] }) },
  { name: "a bidi stream", play: send({ path: BIDI, texts: ["a", "b", "c"] }) },
  { name: "a bidi stream without messages", play: send({ path: BIDI, texts: [] }) },
  {
    name: "a message in DATA frames of one byte",
    play: begun((client, id) => {
      for (const byte of hello) client.data(id, bytes(byte));
      client.data(id, bytes(), { endStream: true });
    }),
  },
  {
    name: "empty DATA frames around a message",
    play: begun((client, id) => {
      client.data(id, bytes());
      client.data(id, hello);
      client.data(id, bytes());
      client.data(id, bytes(), { endStream: true });
    }),
  },
  {
    name: "padded DATA",
    play: begun((client, id) => {
      client.data(id, hello, { padding: 100 });
      client.data(id, bytes(), { padding: 0, endStream: true });
    }),
  },
  {
    name: "padded HEADERS with a priority",
    play: (client) => {
      const id = client.nextId();
      const payload = concat(bytes(3), bytes(0, 0, 0, 0, 16), headerBlock(head()), bytes(0, 0, 0));
      client.frame(FrameType.headers, Flag.endHeaders | Flag.padded | Flag.priority, id, payload);
      client.data(id, hello, { endStream: true });
      return id;
    },
  },
  {
    name: "headers over CONTINUATION frames",
    play: (client) => {
      const id = client.nextId();
      const block = headerBlock(head(undefined, [["x-long", "v".repeat(300)]]));
      client.headers(id, block.subarray(0, 5), { endHeaders: false });
      client.continuation(id, block.subarray(5, 50), false);
      client.continuation(id, block.subarray(50, 50), false);
      client.continuation(id, block.subarray(50), true);
      client.data(id, hello, { endStream: true });
      return id;
    },
  },
  {
    name: "trailers after the messages",
    play: begun((client, id) => {
      client.data(id, hello);
      client.headers(id, [["x-trailer", "t"]], { endStream: true });
    }),
  },
  {
    name: "a request that comes byte by byte",
    play: async (client) => {
      const whole: Uint8Array[] = [];
      const raw = client.raw.bind(client);
      client.raw = (data) => whole.push(data as Uint8Array);
      const id = send({})(client);
      client.raw = raw;
      for (const byte of concat(...whole)) {
        client.raw(bytes(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      return id;
    },
  },
  {
    name: "PING, SETTINGS, WINDOW_UPDATE, PRIORITY and an unknown frame within a request",
    play: begun((client, id) => {
      client.ping(bytes(1, 2, 3, 4, 5, 6, 7, 8));
      client.settings([[Setting.maxConcurrentStreams, 50], [0xfff0, 7]]);
      client.windowUpdate(0, 1_000);
      client.frame(FrameType.priority, 0, id, bytes(0, 0, 0, 0, 16));
      client.frame(0xbe, 0xff, id, bytes(1, 2, 3));
      client.data(id, hello, { endStream: true });
    }),
  },
  {
    name: "headers from the static and the dynamic table",
    play: (client) => {
      // `:method: POST` is index 3, `:scheme: http` 6; `te` is added, and so are all others that begin with 0x40.
      const added = ([name, value]: Field) => concat(bytes(0x40), stringLiteral(name), stringLiteral(value));
      const rest: Field[] = [[":path", "/proto.Simple/Route"], [":authority", "a"], [
        "content-type",
        "application/grpc",
      ]];
      client.headers(client.nextId(), concat(bytes(0x83, 0x86), ...rest.map(added), added(["te", "trailers"])));
      client.data(1, hello, { endStream: true });
      const id = client.nextId();
      // The newest entry, `te`, is index 62. A literal that must never be indexed follows.
      const known = [65, 64, 63, 62].map((index) => integer(0x80, 7, index));
      const secret = concat(bytes(0x10), stringLiteral("x-secret"), stringLiteral("s"));
      client.headers(id, concat(bytes(0x83, 0x86), ...known, secret));
      client.data(id, envelope(message("sent")), { endStream: true });
      return id;
    },
  },
  {
    name: "the tenth call on a connection",
    play: async (client) => {
      for (let i = 0; i < 9; i++) await client.reply(send({})(client));
      return send({})(client);
    },
  },
  {
    name: "a call beside one that waits",
    play: (client) => {
      send({ texts: ["wait beside"] })(client);
      return send({})(client);
    },
  },
  {
    name: "an answer into windows of 10 bytes",
    play: async (client) => {
      client.settings([[Setting.initialWindowSize, 10]]);
      const id = send({ texts: ["characters 100"] })(client);
      let seen = 0;
      while (seen < 105) {
        const { type, payload } = await client.read();
        if (type !== FrameType.data) continue;
        seen += payload.length;
        client.windowUpdate(id, 10);
      }
      return id;
    },
  },
  { name: "a request without te", play: send({ without: ["te"] }) },
  {
    name: "a request without an authority but with a host",
    play: send({ without: [":authority"], headers: [["host", "h"]] }),
  },
  { name: "a request with the scheme https", play: send({ headers: [[":scheme", "https"]] }) },
  { name: "a request with its content's length", play: send({ headers: [["content-length", String(hello.length)]] }) },
  { name: "what a handler knows of a unary call", play: send({ texts: ["context"] }) },
  { name: "what a handler knows of a client stream", play: send({ path: CLIENT_STREAM, texts: ["context"] }) },
  { name: "a path with a query", play: send({ path: "/proto.Simple/Route?x=1", texts: ["context"] }) },
];
