import { Buffer } from "node:buffer";
import { create, toBinary } from "@bufbuild/protobuf";
import { SimpleRequestSchema, SimpleResponseSchema } from "../../gen/simple_pb.ts";
import { type Kind, textLength } from "../kind.ts";

/** A frame with stream id 0, to be patched. */
export function frame(type: number, flags: number, payload: Buffer): Buffer {
  const out = Buffer.alloc(9 + payload.length);
  out.writeUIntBE(payload.length, 0, 3);
  out[3] = type;
  out[4] = flags;
  payload.copy(out, 9);
  return out;
}

function envelope(message: Uint8Array): Buffer {
  const out = Buffer.alloc(5 + message.length);
  out.writeUInt32BE(message.length, 1);
  out.set(message, 5);
  return out;
}

const string = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);

/** The bytes of a request of that kind in its envelope: what a turn of a bidi call counts. */
export function requestBytes(kind: Kind): number {
  return 5 + toBinary(SimpleRequestSchema, create(SimpleRequestSchema, { data: "x".repeat(textLength(kind)) })).length;
}

/** A DATA frame with one response message. */
export function messageFrame(kind: Kind): Buffer {
  const message = create(SimpleResponseSchema, { code: 200, value: "y".repeat(textLength(kind)) });
  return frame(0, 0, envelope(toBinary(SimpleResponseSchema, message)));
}

const HEADERS = 1, END_HEADERS = 0x4, END_STREAM_AND_HEADERS = 0x5;

/**
 * Header blocks as servers send them: the first time with incremental indexing, then as an index of one byte; as plain
 * literals if the client allows no dynamic table. `:status: 200` is index 8 of the static table, `content-type` 31.
 */
export const headers: Readonly<Record<"literal" | "indexing" | "newest" | "second", Buffer>> = {
  literal: frame(HEADERS, END_HEADERS, Buffer.concat([Buffer.from([0x88, 0x0f, 16]), string("application/grpc")])),
  indexing: frame(HEADERS, END_HEADERS, Buffer.concat([Buffer.from([0x88, 0x5f]), string("application/grpc")])),
  /** While content-type is the newest entry of the dynamic table. */
  newest: frame(HEADERS, END_HEADERS, Buffer.from([0x88, 0x80 | 62])),
  /** Once grpc-status came after it. */
  second: frame(HEADERS, END_HEADERS, Buffer.from([0x88, 0x80 | 63])),
};

export const trailers: Readonly<Record<"literal" | "indexing" | "indexed", Buffer>> = {
  literal: frame(
    HEADERS,
    END_STREAM_AND_HEADERS,
    Buffer.concat([Buffer.from([0x00]), string("grpc-status"), string("0")]),
  ),
  indexing: frame(
    HEADERS,
    END_STREAM_AND_HEADERS,
    Buffer.concat([Buffer.from([0x40]), string("grpc-status"), string("0")]),
  ),
  indexed: frame(HEADERS, END_STREAM_AND_HEADERS, Buffer.from([0x80 | 62])),
};
