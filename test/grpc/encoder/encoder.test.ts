import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type DescMessage, fromBinary, type MessageShape, setExtension, toBinary } from "@bufbuild/protobuf";
import {
  EmptySchema,
  FeatureSetSchema,
  FieldMaskSchema,
  go,
  GoFeaturesSchema,
  StringValueSchema,
} from "@bufbuild/protobuf/wkt";
import { SimpleRequestSchema, SimpleResponseSchema } from "../../../gen/simple_pb.ts";
import { createEncoder } from "../../../src/grpc/encoder/encoder.ts";
import { generator, oneOf } from "../../fuzz/random.ts";
import { type Generator, randomMessage } from "../messages/generate.ts";
import { SCHEMAS } from "../messages/schema.ts";

type Message = MessageShape<DescMessage>;

const MEMORY_BYTES = 16 * 1024;
/** How many messages of each type a run encodes; more can be asked for. */
const ROUNDS = Number(globalThis.process?.env["ENCODER_ROUNDS"] ?? 100);

/** The bytes that a function returns, or the text of the error that it throws. */
function outcome(encode: () => Uint8Array): Uint8Array | string {
  try {
    return encode();
  } catch (error) {
    return String(error);
  }
}

function isSame(a: Uint8Array | string, b: Uint8Array | string): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Encodes into memory of a size from an offset on; fails if anything before that offset was touched. */
function encodedAt(schema: DescMessage, message: Message, size: number, at: number): Uint8Array {
  const memory = new Uint8Array(size).fill(0xaa);
  const end = createEncoder(schema, undefined)(message, memory, at);
  assert.ok(memory.subarray(0, at).every((byte) => byte === 0xaa));
  return typeof end === "number" ? memory.subarray(at, end) : end;
}

/** The encoder returns or throws what `toBinary` does, wherever and with however much room. */
function assertSame(schema: DescMessage, message: Message, size: number, at: number, what: string) {
  const expected = outcome(() => toBinary(schema, message));
  const actual = outcome(() => encodedAt(schema, message, size, at));
  if (!isSame(actual, expected)) assert.deepEqual(actual, expected, what);
  return expected;
}

describe("the encoder writes what toBinary returns", () => {
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    it(`for ${name}, whatever its fields hold`, () => {
      let compiled = 0;
      for (let seed = 0; seed < ROUNDS; seed++) {
        const by: Generator = { random: generator(seed), oneFaultIn: 0 };
        const message = randomMessage(by, schema);
        if (typeof createEncoder(schema, undefined)(message, new Uint8Array(4 * MEMORY_BYTES), 0) === "number") {
          compiled++;
        }
        const expected = assertSame(schema, message, MEMORY_BYTES, by.random(9), `seed ${seed}`);
        assert.ok(
          typeof expected !== "string",
          `seed ${seed} is no valid message: the generator is at fault: ${expected}`,
        );
      }
      assert.ok(compiled > ROUNDS * 0.5, `${compiled} of ${ROUNDS} were not left to toBinary`);
    });

    it(`for ${name}, in memory that is too small at any place`, () => {
      for (let seed = 0; seed < ROUNDS; seed++) {
        const by: Generator = { random: generator(seed), oneFaultIn: 0 };
        const message = randomMessage(by, schema);
        const { length } = toBinary(schema, message);
        for (const size of [0, by.random(length + 1), length, length + 1]) {
          assertSame(schema, message, size, by.random(size + 1), `seed ${seed}, ${size} bytes`);
        }
      }
    });

    it(`for ${name}, with the error of toBinary if something in it is wrong`, () => {
      let errors = 0;
      for (let seed = 0; seed < ROUNDS; seed++) {
        const by: Generator = { random: generator(seed), oneFaultIn: oneOf(generator(seed), [3, 20, 200]) };
        const message = randomMessage(by, schema);
        if (typeof assertSame(schema, message, MEMORY_BYTES, 5, `seed ${seed}`) === "string") errors++;
      }
      if (schema.fields.length > 0) assert.ok(errors > 0, "the generator made no fault");
    });
  }

  it("for each length of a string, a list and a message around the lengths of their prefix", () => {
    for (
      const length of [0, 63, 64, 65, 125, 126, 127, 128, 129, 16_381, 16_382, 16_383, 16_384, 2 ** 21, 2 ** 21 + 1]
    ) {
      for (const unit of ["x", "ü", "語"]) {
        const message = create(SimpleResponseSchema, { code: 200, value: unit.repeat(length) });
        assertSame(SimpleResponseSchema, message, MEMORY_BYTES, 5, `${length} × ${unit}`);
      }
      const mask = create(FieldMaskSchema, { paths: ["x".repeat(length), "y"] });
      assertSame(FieldMaskSchema, mask, MEMORY_BYTES, 5, `a path of ${length}`);
    }
  });

  it("for an extension, and for fields that only a newer schema has", () => {
    const newer = toBinary(SimpleResponseSchema, create(SimpleResponseSchema, { code: -1, value: "new" }));
    const message = fromBinary(EmptySchema, newer);
    assert.deepEqual(assertSame(EmptySchema, message, MEMORY_BYTES, 0, "unknown fields"), newer);
    const features = create(FeatureSetSchema, { fieldPresence: 1 });
    setExtension(features, go, create(GoFeaturesSchema, { legacyUnmarshalJsonEnum: true }));
    assert.ok(assertSame(FeatureSetSchema, features, MEMORY_BYTES, 0, "an extension").length > 4);
  });

  it("for a message of another type: its error", () => {
    const other = create(StringValueSchema, { value: "x" });
    assert.match(`${assertSame(SimpleRequestSchema, other, MEMORY_BYTES, 0, "another type")}`, /cannot use field/);
  });

  it("for a required field that is missing: its error", () => {
    const schema = SCHEMAS["a proto2 message"]!;
    const message = create(schema, { child: { name: "without an id" } });
    assert.match(`${assertSame(schema, message, MEMORY_BYTES, 0, "required")}`, /required field not set/);
  });

  it("for a message that contains itself: its error", () => {
    const schema = SCHEMAS["a proto3 message"]!;
    const message = create(schema) as Message & Record<string, unknown>;
    message["child"] = {
      ...create(schema.fields.find(({ localName }) => localName === "child")!.message!),
      wide: message,
    };
    assert.throws(() => toBinary(schema, message), RangeError);
    assert.throws(() => encodedAt(schema, message, MEMORY_BYTES, 0), RangeError);
  });

  it("for a getter that throws: its error", () => {
    const message = create(SimpleRequestSchema);
    Object.defineProperty(message, "data", { get: () => assert.fail("no data"), enumerable: true });
    assert.match(`${assertSame(SimpleRequestSchema, message, MEMORY_BYTES, 0, "a getter")}`, /no data/);
  });
});

describe("the encoder", () => {
  it("leaves unknown fields out if the options say so", () => {
    const message = create(SimpleRequestSchema, { data: "x" });
    message.$unknown = [{ no: 9, wireType: 0, data: new Uint8Array([1]) }];
    const encode = createEncoder(SimpleRequestSchema, { writeUnknownFields: false });
    assert.deepEqual(
      encode(message, new Uint8Array(100), 0),
      toBinary(SimpleRequestSchema, message, { writeUnknownFields: false }),
    );
  });

  it("returns a large text in an array that is not much larger", () => {
    const message = create(SimpleRequestSchema, { data: "x".repeat(100_000) });
    const bytes = createEncoder(SimpleRequestSchema, undefined)(message, new Uint8Array(100), 0);
    assert.ok(typeof bytes !== "number" && bytes.buffer.byteLength < 110_000);
  });
});
