import { answer, type Behaviour, message, request } from "../behaviour.ts";
import { concat, Flag, FrameType, Setting } from "../../support/raw-http2/frame.ts";
import { headerBlock, integer, stringLiteral } from "../../support/raw-http2/header-block.ts";
import { sendPaced } from "../../support/raw-http2/paced.ts";
import { envelope, OK_HEADERS, OK_TRAILERS } from "../../support/raw-http2/session.ts";

const bytes = (...values: number[]) => new Uint8Array(values);

/** Right answers, in all the shapes that HTTP/2 allows. */
export const ANSWERS: readonly Behaviour[] = [
  { name: "a plain answer", play: answer() },
  { name: "an empty message", play: answer({ messages: [new Uint8Array(0)] }) },
  {
    name: "a message of 1 MiB",
    play: request(async (session, id) => {
      session.headers(id, OK_HEADERS);
      await sendPaced(session, id, envelope(message("y".repeat(2 ** 20))));
      session.headers(id, OK_TRAILERS, { endStream: true });
    }),
  },
  {
    name: "a message in DATA frames of one byte",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      for (const byte of envelope(message())) session.data(id, bytes(byte));
      session.headers(id, OK_TRAILERS, { endStream: true });
    }),
  },
  {
    name: "empty DATA frames around a message",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.data(id, bytes());
      session.data(id, envelope(message()));
      session.data(id, bytes());
      session.headers(id, OK_TRAILERS, { endStream: true });
    }),
  },
  {
    name: "padded DATA",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.data(id, envelope(message()), { padding: 100 });
      session.data(id, bytes(), { padding: 0 });
      session.headers(id, OK_TRAILERS, { endStream: true });
    }),
  },
  {
    name: "padded HEADERS with a priority",
    play: request((session, id) => {
      const block = headerBlock(OK_HEADERS);
      const payload = concat(bytes(3), bytes(0, 0, 0, 0, 16), block, bytes(0, 0, 0));
      session.frame(FrameType.headers, Flag.endHeaders | Flag.padded | Flag.priority, id, payload);
      session.data(id, envelope(message()));
      session.headers(id, OK_TRAILERS, { endStream: true });
    }),
  },
  {
    name: "headers and trailers over CONTINUATION frames",
    play: request((session, id) => {
      const head = headerBlock([...OK_HEADERS, ["x-long", "v".repeat(300)]]), tail = headerBlock(OK_TRAILERS);
      session.headers(id, head.subarray(0, 5), { endHeaders: false });
      session.continuation(id, head.subarray(5, 50), false);
      session.continuation(id, head.subarray(50, 50), false);
      session.continuation(id, head.subarray(50), true);
      session.data(id, envelope(message()));
      session.headers(id, tail.subarray(0, 1), { endHeaders: false, endStream: true });
      session.continuation(id, tail.subarray(1), true);
    }),
  },
  {
    name: "an answer that comes byte by byte",
    play: request(async (session, id) => {
      const whole: Uint8Array[] = [];
      const raw = session.raw.bind(session);
      session.raw = (data) => whole.push(data as Uint8Array);
      session.respond(id, { messages: [message()] });
      session.raw = raw;
      for (const byte of concat(...whole)) {
        session.raw(bytes(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
    }),
  },
  {
    name: "PING, SETTINGS, WINDOW_UPDATE, PRIORITY and an unknown frame within an answer",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.ping(bytes(1, 2, 3, 4, 5, 6, 7, 8));
      session.settings([[Setting.maxConcurrentStreams, 50], [0xfff0, 7]]);
      session.windowUpdate(0, 1_000);
      session.windowUpdate(id, 1_000);
      session.frame(FrameType.priority, 0, id, bytes(0, 0, 0, 0, 16));
      session.frame(0xbe, 0xff, id, bytes(1, 2, 3));
      session.data(id, envelope(message()));
      session.headers(id, OK_TRAILERS, { endStream: true });
    }),
  },
  {
    name: "a window update for the stream after its end",
    play: request((session, id) => {
      session.respond(id, { messages: [message()] });
      session.windowUpdate(id, 1_000);
    }),
  },
  {
    name: "informational headers before the answer",
    play: request((session, id) => {
      session.headers(id, [[":status", "100"]]);
      session.headers(id, [[":status", "103"], ["link", "</style.css>"]]);
      session.respond(id, { messages: [message()] });
    }),
  },
  {
    name: "headers from the static and the dynamic table",
    play: request((session, id) => {
      // `:status: 200` is index 8; content-type (31) is added to the dynamic table, then named as its first entry.
      const head = concat(bytes(0x88), integer(0x40, 6, 31), stringLiteral("application/grpc"));
      session.headers(id, head);
      session.data(id, envelope(message()));
      // grpc-status is added; content-type is index 63 now. A literal that must never be indexed follows.
      const tail = concat(
        concat(bytes(0x40), stringLiteral("grpc-status"), stringLiteral("0")),
        integer(0x80, 7, 63),
        concat(bytes(0x10), stringLiteral("x-secret"), stringLiteral("s")),
      );
      session.headers(id, tail, { endStream: true });
    }),
  },
  {
    name: "a dynamic table that is emptied and grown again",
    play: request((session, id) => {
      const sizes = concat(integer(0x20, 5, 0), integer(0x20, 5, 4_096));
      session.headers(id, concat(sizes, headerBlock(OK_HEADERS)));
      session.data(id, envelope(message()));
      session.headers(id, OK_TRAILERS, { endStream: true });
    }),
  },
  {
    name: "Huffman-coded values",
    play: request((session, id) => {
      // RFC 7541, C.4: "www.example.com".
      const coded = bytes(0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff);
      session.headers(id, concat(headerBlock(OK_HEADERS), bytes(0), stringLiteral("x-coded"), coded));
      session.data(id, envelope(message()));
      session.headers(id, OK_TRAILERS, { endStream: true });
    }),
  },
  {
    name: "an answer before the request has ended, then RST_STREAM with NO_ERROR",
    kind: "client",
    play: async (session) => {
      await session.handshake();
      const id = await session.request();
      session.respond(id, { messages: [message()] });
      session.rst(id, 0);
    },
  },
  {
    name: "a GOAWAY within an answer that still completes",
    play: request((session, id) => {
      session.headers(id, OK_HEADERS);
      session.goaway(id);
      session.data(id, envelope(message()));
      session.headers(id, OK_TRAILERS, { endStream: true });
    }),
    differs: {
      reason: "connect-node on Deno may lose what comes after a GOAWAY",
      code: undefined,
      unsteady: true,
    },
  },
  {
    name: "a tiny stream window for the request",
    play: async (session) => {
      session.settings([[Setting.initialWindowSize, 1]]);
      const id = await session.request();
      for (let i = 0; i < 50; i++) session.windowUpdate(id, 1);
      await session.read((frame) => frame.streamId === id && (frame.flags & Flag.endStream) !== 0);
      session.respond(id, { messages: [message()] });
    },
  },
  {
    name: "a connection that ends right after the answer",
    play: request((session, id) => {
      session.respond(id, { messages: [message()] });
      session.end();
    }),
    differs: {
      reason: "connect-node loses received replies when the connection ends with or after them, on some runtimes",
      code: undefined,
      unsteady: true,
    },
  },
  {
    name: "a GOAWAY and the connection's end right after the answer",
    play: request((session, id) => {
      session.respond(id, { messages: [message()] });
      session.goaway(id);
      session.end();
    }),
    differs: {
      reason: "connect-node on Deno reads the body through an iterator that loses what was received before GOAWAY",
      code: undefined,
      unsteady: true,
    },
  },
];
