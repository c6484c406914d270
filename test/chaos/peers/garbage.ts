// Servers that break HTTP/2's or gRPC's rules, each in one way.
import { Code } from "@connectrpc/connect";
import { ErrorCode, FrameType } from "../../support/raw-http2/frame.ts";
import { type Field, headerBlock, integer } from "../../support/raw-http2/header-block.ts";
import { envelope, OK_HEADERS, OK_TRAILERS, type RawSession } from "../../support/raw-http2/session.ts";
import type { Kind } from "../calls.ts";
import { response } from "./echo.ts";
import { Flood } from "./flood.ts";

/** A kind of bad server. */
export interface Garbage {
  /** What it does, as the table says it. */
  readonly does: string;
  /** The code that calls end with beside those that are always clear; DeadlineExceeded: nothing else can end them. */
  readonly code?: Code;
  /** What is called. Default: all but idempotent methods. */
  readonly methods?: readonly Kind[];
  /** Plays it on a connection from its beginning. */
  readonly onConnection?: (session: RawSession) => void | Promise<void>;
  /** Plays it on every request, with its first message, of a connection that began as it should. */
  readonly onRequest?: (session: RawSession, streamId: number) => void | Promise<void>;
}

const MESSAGE = envelope(response("unary-0"));
const HTML: readonly Field[] = [[":status", "200"], ["content-type", "text/html"]];

const floods = new WeakMap<RawSession, Flood>();

export const garbage: Readonly<Record<string, Garbage>> = {
  http1: {
    does: "speaks HTTP/1.1",
    async onConnection(session) {
      await once(session, "data");
      session.raw("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
      session.end();
    },
  },
  banner: {
    does: "speaks first, and not HTTP",
    onConnection(session) {
      session.raw("SSH-2.0-OpenSSH_9.6\r\n");
    },
  },
  "closes-at-once": { does: "closes every connection at once", onConnection: (session) => session.end() },
  "resets-at-once": { does: "resets every connection at once", onConnection: (session) => session.reset() },
  "goaway-at-once": {
    does: "begins with GOAWAY",
    async onConnection(session) {
      await session.handshake();
      session.goaway(0);
      session.end();
    },
  },
  html: {
    does: "answers with a web page",
    onRequest(session, id) {
      session.headers(id, HTML);
      session.data(id, text("<html>hello</html>"), { endStream: true });
    },
  },
  "http-503": {
    does: "answers 503 with a web page",
    onRequest(session, id) {
      session.headers(id, [[":status", "503"], ["content-type", "text/html"]]);
      session.data(id, text("<html>no</html>"), { endStream: true });
    },
  },
  json: {
    does: "answers with the content type application/json",
    onRequest(session, id) {
      session.headers(id, [[":status", "200"], ["content-type", "application/json"]]);
      session.data(id, text("{}"));
      session.headers(id, OK_TRAILERS, { endStream: true });
    },
  },
  "cut-message": {
    does: "ends within a message",
    onRequest: (session, id) => reply(session, id, envelope(new Uint8Array(10), 0, 100)),
  },
  "cut-frame": {
    does: "closes within a frame",
    onRequest(session, id) {
      session.headers(id, OK_HEADERS);
      session.frame(FrameType.data, 0, id, envelope(new Uint8Array(10), 0, 100), 105);
      session.end();
    },
  },
  "bad-frame": {
    does: "sends DATA on stream 0",
    onRequest: (session) => session.frame(FrameType.data, 0, 0, new Uint8Array(10)),
  },
  "bad-settings": {
    does: "sends SETTINGS of 5 bytes",
    onRequest: (session) => session.frame(FrameType.settings, 0, 0, new Uint8Array(5)),
  },
  "huge-frame": {
    does: "announces a frame of 16 MiB",
    onRequest: (session, id) => session.frame(FrameType.data, 0, id, new Uint8Array(20_000), 0xff_ffff),
  },
  "bad-hpack": {
    does: "sends a header block that can't be decoded",
    // An index far beyond the table (RFC 7541, 6.1).
    onRequest: (session, id) => session.headers(id, integer(0x80, 7, 9_999)),
  },
  "big-headers": {
    does: "answers with 1 MiB of headers",
    onRequest(session, id) {
      const fields = Array.from({ length: 64 }, (_, i): Field => [`x-${i}`, "x".repeat(16 << 10)]);
      headersInParts(session, id, headerBlock([...OK_HEADERS, ...fields]));
      session.data(id, MESSAGE);
      session.headers(id, OK_TRAILERS, { endStream: true });
    },
  },
  "endless-headers": {
    does: "sends header blocks without end",
    async onRequest(session, id) {
      session.headers(id, headerBlock([...OK_HEADERS]), { endHeaders: false });
      const block = headerBlock([["x", "x".repeat(16_000)]]);
      while (!session.clientLeft) {
        session.continuation(id, block, false);
        await drained(session);
      }
    },
  },
  "endless-message": {
    does: "announces a message of 4 GiB and sends it",
    code: Code.DeadlineExceeded,
    onRequest(session, id) {
      const begin = envelope(new Uint8Array(0), 0, 0xffff_ffff);
      session.headers(id, OK_HEADERS);
      session.data(id, begin);
      let flood = floods.get(session);
      if (flood === undefined) floods.set(session, flood = new Flood(session));
      flood.add(id, begin.length);
    },
  },
  "no-trailers": {
    does: "leaves out the trailers",
    onRequest(session, id) {
      session.headers(id, OK_HEADERS);
      session.data(id, MESSAGE, { endStream: true });
    },
  },
  "bad-status": {
    does: "ends with a grpc-status that is no number",
    onRequest: (session, id) => reply(session, id, MESSAGE, [["grpc-status", "fine"]]),
  },
  "no-status": {
    does: "ends with trailers without a grpc-status",
    onRequest: (session, id) => reply(session, id, MESSAGE, [["x-status", "0"]]),
  },
  "no-message": {
    does: "says OK without a message",
    // A response stream may be empty.
    methods: ["unary", "clientStream"],
    onRequest: (session, id) => reply(session, id, new Uint8Array(0)),
  },
  "bad-message": {
    does: "sends a message that is not Protobuf",
    onRequest: (session, id) => reply(session, id, envelope(new Uint8Array([0x0f, 0xff, 0xff, 0xff]))),
  },
  "bad-compression": {
    does: "sends a compressed message without saying how",
    onRequest: (session, id) => reply(session, id, envelope(response("unary-0"), 1)),
  },
  "rst-0": {
    does: "resets with NO_ERROR instead of an answer",
    onRequest: (session, id) => session.rst(id, ErrorCode.noError),
  },
  "rst-cancel": {
    does: "resets with CANCEL instead of an answer",
    // gRPC over HTTP/2, "Errors".
    code: Code.Canceled,
    onRequest: (session, id) => session.rst(id, ErrorCode.cancel),
  },
  "rst-internal": {
    does: "resets with INTERNAL_ERROR instead of an answer",
    onRequest: (session, id) => session.rst(id, ErrorCode.internalError),
  },
  close: { does: "closes instead of an answer", onRequest: (session) => session.end() },
  reset: { does: "resets the connection instead of an answer", onRequest: (session) => session.reset() },
  "goaway-error": {
    does: "ends with GOAWAY(INTERNAL_ERROR) instead of an answer",
    onRequest(session, id) {
      session.goaway(id, ErrorCode.internalError, "it broke");
      session.end();
    },
  },
  silent: { does: "never answers", code: Code.DeadlineExceeded, onRequest: () => {} },
};

/** Plays one of them on a connection. */
export async function playGarbage({ onConnection, onRequest }: Garbage, session: RawSession): Promise<void> {
  if (onConnection !== undefined) return await onConnection(session);
  await session.handshake();
  const played = new Set<number>();
  for (;;) {
    // With the first message: a client that waits for an answer sends no second one, and doesn't end its request.
    const { streamId } = await session.read((frame) => frame.type === FrameType.data && frame.payload.length > 0);
    if (played.has(streamId)) continue;
    played.add(streamId);
    void onRequest!(session, streamId);
  }
}

function reply(session: RawSession, id: number, data: Uint8Array, trailers: readonly Field[] = OK_TRAILERS): void {
  session.headers(id, OK_HEADERS);
  if (data.length > 0) session.data(id, data);
  session.headers(id, trailers, { endStream: true });
}

function headersInParts(session: RawSession, id: number, block: Uint8Array): void {
  const size = 16_384;
  session.headers(id, block.subarray(0, size), { endHeaders: false });
  for (let at = size; at < block.length; at += size) {
    session.continuation(id, block.subarray(at, at + size), at + size >= block.length);
  }
}

/** Waits until what was written has left, or the client has. */
async function drained({ socket }: RawSession): Promise<void> {
  if (!socket.writableNeedDrain) return await new Promise((resolve) => setImmediate(resolve));
  await new Promise<void>((resolve) => {
    socket.once("drain", resolve);
    socket.once("close", resolve);
  });
}

async function once({ socket }: RawSession, event: "data"): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.once(event, () => resolve());
    socket.once("close", () => resolve());
  });
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
