// What clients that mean harm send: floods, bombs, and requests that hold what a server has.
import { create, toBinary } from "@bufbuild/protobuf";
import { SimpleRequestSchema } from "../../gen/simple_pb.ts";
import {
  CLIENT_PREFACE,
  concat,
  encodeFrame,
  ErrorCode,
  Flag,
  FrameType,
  Setting,
  uint32,
} from "../support/raw-http2/frame.ts";
import { type Field, headerBlock, integer, stringLiteral } from "../support/raw-http2/header-block.ts";
import { envelope } from "../support/raw-http2/session.ts";

/** One kind of client. */
export interface Attack {
  /** How many of them there are at a time. */
  readonly connections: number;
  /** False: it never reads. */
  readonly reads?: false;
  /** How long it waits between what it sends, in milliseconds. Default: 1. */
  readonly everyMs?: number;
  /** Whether it leaves once it has sent all, rather than wait. */
  readonly leaves?: true;
  /** Begins on a new connection: gives what it sends next, again and again; undefined: nothing more. */
  begin(): () => Uint8Array | undefined;
}

const NOTHING = new Uint8Array(0);
const path = (name: string): Field[] => [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", `/proto.Simple/${name}`],
  [":authority", "a"],
  ["te", "trailers"],
  ["content-type", "application/grpc"],
];
const UNARY = headerBlock(path("Route")), STREAM = headerBlock(path("RouteServerStream"));
const BIDI = headerBlock(path("RouteBidiStream"));
const message = (data: string) => envelope(toBinary(SimpleRequestSchema, create(SimpleRequestSchema, { data })));
const HELLO = message("hostile-0");

function settings(...all: (readonly [id: number, value: number])[]): Uint8Array {
  return encodeFrame(
    FrameType.settings,
    0,
    0,
    concat(...all.map(([id, value]) => concat(new Uint8Array([id >> 8, id]), uint32(value)))),
  );
}

const headers = (id: number, block: Uint8Array, flags: number = Flag.endHeaders) =>
  encodeFrame(FrameType.headers, flags, id, block);
const data = (id: number, bytes: Uint8Array, flags = 0) => encodeFrame(FrameType.data, flags, id, bytes);
const PREFACE = concat(new TextEncoder().encode(CLIENT_PREFACE), settings());

/** First what begins a connection, and then the same or the next, without end. */
function endlessly(first: Uint8Array, next: (n: number) => Uint8Array | undefined): () => () => Uint8Array | undefined {
  return () => {
    let n = -1;
    return () => n++ < 0 ? first : next(n - 1);
  };
}

/** Streams one after another: each number is one, whose id is odd. */
const streams = (of: (id: number) => Uint8Array) => endlessly(PREFACE, (n) => of(2 * n + 1));

/** A header block that adds one large entry to the table and then names it many times. */
const BOMB = concat(
  new Uint8Array([0x40]),
  stringLiteral("x"),
  stringLiteral("y".repeat(3_900)),
  ...Array.from({ length: 12_000 }, () => integer(0x80, 7, 62)),
);

const piece = new Uint8Array(16_384);

/** A request whose message of 4 MB never ends, after which it sends no more. */
function unfinished(id: number): Uint8Array {
  const first = new Uint8Array(16_384);
  first.set([0, 0, 0x3f, 0xff, 0]);
  return concat(headers(id, UNARY), data(id, first), data(id, piece), data(id, piece));
}

export const ATTACKS: Readonly<Record<string, Attack>> = {
  "rapid reset": {
    connections: 4,
    begin: streams((id) =>
      concat(headers(id, UNARY), encodeFrame(FrameType.rstStream, 0, id, uint32(ErrorCode.cancel)))
    ),
  },
  "resets made by the server": {
    connections: 4,
    begin: streams((id) => concat(headers(id, UNARY), encodeFrame(FrameType.windowUpdate, 0, id, uint32(0)))),
  },
  "flood of PING": {
    connections: 4,
    begin: endlessly(PREFACE, () => encodeFrame(FrameType.ping, 0, 0, new Uint8Array(8))),
  },
  "flood of PING, unread": {
    connections: 4,
    reads: false,
    begin: endlessly(PREFACE, () => encodeFrame(FrameType.ping, 0, 0, new Uint8Array(8))),
  },
  "flood of SETTINGS": { connections: 4, begin: endlessly(PREFACE, () => settings([Setting.headerTableSize, 100])) },
  "flood of empty DATA": {
    connections: 4,
    begin: endlessly(concat(PREFACE, headers(1, BIDI)), () => data(1, NOTHING)),
  },
  "endless CONTINUATION": {
    connections: 4,
    begin: endlessly(
      concat(PREFACE, headers(1, UNARY, 0)),
      () => encodeFrame(FrameType.continuation, 0, 1, headerBlock([["x", "y".repeat(8_000)]])),
    ),
  },
  "header bombs": { connections: 4, begin: streams((id) => headers(id, BOMB, Flag.endHeaders | Flag.endStream)) },
  "streams that nobody reads": {
    connections: 8,
    reads: false,
    begin: endlessly(
      concat(
        PREFACE,
        settings([Setting.initialWindowSize, 0x7fff_ffff]),
        encodeFrame(FrameType.windowUpdate, 0, 0, uint32(0x7000_0000)),
      ),
      (n) => n < 200 ? concat(headers(2 * n + 1, STREAM), data(2 * n + 1, HELLO, Flag.endStream)) : undefined,
    ),
  },
  "windows that never open": {
    connections: 8,
    begin: endlessly(
      concat(PREFACE, settings([Setting.initialWindowSize, 0])),
      (n) => n < 200 ? concat(headers(2 * n + 1, UNARY), data(2 * n + 1, HELLO, Flag.endStream)) : undefined,
    ),
  },
  "requests that never end": {
    connections: 40,
    begin: endlessly(PREFACE, (n) => n < 100 ? unfinished(2 * n + 1) : undefined),
  },
  "connections that say nothing": { connections: 500, begin: () => () => undefined },
  "connections of a byte a second": {
    connections: 500,
    everyMs: 1_000,
    begin: () => {
      let at = 0;
      return () => PREFACE.subarray(at, ++at);
    },
  },
  "connections that come and go": { connections: 20, leaves: true, begin: endlessly(PREFACE, () => undefined) },
};
