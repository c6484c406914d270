import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { BinaryReadOptions } from "@bufbuild/protobuf";
import { EmptySchema, FieldMaskSchema, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { LeaseTimeToLiveResponseSchema } from "../../../gen/etcd/rpc_pb.ts";
import { SimpleRequestSchema, SimpleResponseSchema } from "../../../gen/simple_pb.ts";
import { createDecoder } from "../../../src/grpc/decoder/decoder.ts";
import type { Fields } from "../../../src/grpc/decoder/field.ts";
import { messageReader, startAtRoot } from "../../../src/grpc/decoder/message.ts";
import { generator, mutate } from "../../fuzz/random.ts";
import { concat } from "../../support/raw-http2/frame.ts";
import { randomMessage } from "../messages/generate.ts";
import { SCHEMAS } from "../messages/schema.ts";

type Message = MessageShape<DescMessage>;

/** How many messages of each type a run decodes; more can be asked for. */
const ROUNDS = Number(globalThis.process?.env["DECODER_ROUNDS"] ?? 100);

/** The message that a function returns, or the text of the error that it throws. */
function outcome(decode: () => Message): Message | string {
  try {
    return decode();
  } catch (error) {
    return String(error);
  }
}

/** The decoder returns or throws what `fromBinary` does. */
function assertSame(schema: DescMessage, bytes: Uint8Array, what: string, options?: Partial<BinaryReadOptions>) {
  const expected = outcome(() => fromBinary(schema, bytes, options));
  assert.deepEqual(outcome(() => createDecoder(schema, options)(bytes)), expected, what);
  return expected;
}

/** Whether the compiled decoder reads a message by itself. */
function isCompiled(schema: DescMessage, bytes: Uint8Array): boolean {
  startAtRoot();
  return messageReader(schema)(create(schema) as unknown as Fields, bytes, 0, bytes.length) === bytes.length;
}

/** As a socket gives them: with other bytes around. */
function inChunk(bytes: Uint8Array): Uint8Array {
  return concat(new Uint8Array(3).fill(0x7f), bytes, new Uint8Array(9).fill(0x7f)).subarray(3, 3 + bytes.length);
}

describe("the decoder returns what fromBinary returns", () => {
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    it(`for ${name}, whatever its fields hold`, () => {
      for (let seed = 0; seed < ROUNDS; seed++) {
        const message = randomMessage({ random: generator(seed), oneFaultIn: 0 }, schema);
        assertSame(schema, inChunk(toBinary(schema, message)), `seed ${seed}`);
      }
    });

    it(`for ${name}, with the error of fromBinary if something in it is wrong`, () => {
      for (let seed = 0; seed < 3 * ROUNDS; seed++) {
        const random = generator(seed);
        const bytes = toBinary(schema, randomMessage({ random, oneFaultIn: 0 }, schema, 1));
        assertSame(schema, inChunk(mutate(random, mutate(random, bytes))), `seed ${seed}`);
      }
    });
  }

  it("for messages of one type that are read as another", () => {
    const schemas = Object.values(SCHEMAS);
    for (let seed = 0; seed < 3 * ROUNDS; seed++) {
      const random = generator(seed);
      const from = schemas[random(schemas.length)]!, to = schemas[random(schemas.length)]!;
      assertSame(to, toBinary(from, randomMessage({ random, oneFaultIn: 0 }, from, 1)), `seed ${seed}`);
    }
  });

  it("for each field by itself, and again after itself, which for a message merges both", () => {
    let compiled = 0, all = 0;
    for (const schema of Object.values(SCHEMAS)) {
      for (const field of schema.fields) {
        for (let seed = 0; seed < 4; seed++) {
          const whole = randomMessage({ random: generator(seed), oneFaultIn: 0 }, schema) as unknown as Fields;
          const name = field.oneof?.localName ?? field.localName;
          if (!Object.hasOwn(whole, name)) continue;
          const bytes = toBinary(schema, { ...create(schema), [name]: whole[name] } as unknown as Message);
          assertSame(schema, bytes, `${field}, seed ${seed}`);
          assertSame(schema, concat(bytes, bytes), `${field} twice, seed ${seed}`);
          if (isCompiled(schema, bytes)) compiled++;
          all++;
        }
      }
    }
    assert.ok(compiled > all * 0.5, `${compiled} of ${all} were not left to fromBinary`);
  });

  it("for texts of every length and kind, valid or not", () => {
    for (let length = 0; length < 140; length++) {
      for (const byte of [0x61, 0x80, 0xc3, 0xff, 0x00]) {
        const text = new Uint8Array(length).fill(0x61);
        if (length > 0) text[length - 1] = byte;
        const head = length < 128 ? [0x0a, length] : [0x0a, (length & 0x7f) | 0x80, length >> 7];
        assertSame(SimpleRequestSchema, concat(new Uint8Array(head), text), `${length} bytes, the last ${byte}`);
      }
      const value = "ü".repeat(length);
      assertSame(StringValueSchema, toBinary(StringValueSchema, create(StringValueSchema, { value })), `${length} ü`);
    }
    const marked = create(FieldMaskSchema, { paths: ["\ufeffmarked", "\ufeff"] });
    assertSame(FieldMaskSchema, toBinary(FieldMaskSchema, marked), "a byte-order mark is text");
  });

  it("for integers in more bytes than they need, up to too many", () => {
    for (let bytes = 1; bytes <= 12; bytes++) {
      for (const last of [0x00, 0x01, 0x0f, 0x7f]) {
        const varint = Uint8Array.from({ length: bytes }, (_, i) => i === bytes - 1 ? last : 0xff);
        assertSame(SimpleResponseSchema, concat(new Uint8Array([0x08]), varint), `${bytes} bytes, ${last}`);
        assertSame(LeaseTimeToLiveResponseSchema, concat(new Uint8Array([0x10]), varint), `${bytes} bytes, ${last}`);
        assertSame(SimpleRequestSchema, concat(new Uint8Array([0x0a]), varint), `a length in ${bytes} bytes, ${last}`);
      }
    }
  });

  it("for messages nested as deep as fromBinary allows, and deeper", () => {
    const schema = SCHEMAS["a proto3 message"]!;
    const number = schema.fields.find(({ name }) => name === "child")!.number;
    const child = schema.fields.find(({ name }) => name === "child")!.message!;
    const wide = child.fields.find(({ name }) => name === "wide")!.number;
    let bytes = new Uint8Array(0);
    for (let depth = 1; depth < 110; depth++) {
      const field = (depth % 2 === 0 ? number : wide) << 3 | 2;
      const head = [...varint(field), ...varint(bytes.length)];
      bytes = concat(new Uint8Array(head), bytes) as Uint8Array<ArrayBuffer>;
      assertSame(depth % 2 === 0 ? schema : child, bytes, `depth ${depth}`);
      assertSame(depth % 2 === 0 ? schema : child, bytes, `depth ${depth} of 5`, { recursionLimit: 5 });
    }
  });

  it("for unknown fields: keeps them, or not if the options say so", () => {
    const bytes = toBinary(SimpleResponseSchema, create(SimpleResponseSchema, { code: 1, value: "x" }));
    const kept = assertSame(EmptySchema, bytes, "kept") as Message;
    assert.equal(kept.$unknown?.length, 2);
    const dropped = assertSame(EmptySchema, bytes, "dropped", { readUnknownFields: false }) as Message;
    assert.equal(dropped.$unknown, undefined);
  });
});

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}
