// Random messages of any type: valid ones with everything that is hard to encode, and ones with faults.

import { create, type DescField, type DescMessage, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { AnySchema, isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { noise, oneOf, type Random } from "../../fuzz/random.ts";

/** How messages are generated. */
export interface Generator {
  readonly random: Random;
  /** One of how many values is a fault: of the wrong type, out of range, missing. 0: none is. */
  readonly oneFaultIn: number;
}

type Fields = Record<string, unknown>;

const TEXTS = [
  "",
  "a",
  "ascii only, somewhat longer than a word",
  "größer",
  "日本語テキスト",
  "👩‍👩‍👧‍👦 🇨🇭",
  "\0\x7f\x80\u07ff\u0800\uffff",
  "\ud800",
  "lone \udc00\ud800 halves",
  "half at the end \ud83d",
];
const LENGTHS = [31, 32, 33, 42, 43, 63, 64, 65, 100, 126, 127, 128, 129, 1_000, 5_461, 5_462, 16_383, 16_384, 30_000];
const INTEGERS = [
  0,
  1,
  -1,
  127,
  128,
  -128,
  300,
  16_383,
  16_384,
  2 ** 21,
  2 ** 28 - 1,
  2 ** 28,
  2 ** 31 - 1,
  -(2 ** 31),
];
const NUMBERS = [0, -0, 1, -1.5, 0.1, NaN, Infinity, -Infinity, 5e-324, 3.4028234663852886e38, -3.4028234663852886e38];
const FAULTS = [
  undefined,
  null,
  true,
  "12",
  "-3",
  "",
  "x",
  "NaN",
  12,
  -1,
  1.5,
  NaN,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  3.5e38,
  3.40282351e38,
  3n,
  -4n,
  2n ** 63n,
  2n ** 64n,
  [1],
  {},
  { case: "nothing", value: 1 },
  { length: 2 },
  new Uint8Array(3),
  new Uint8Array(0).buffer,
  new Set([1]),
  () => 1,
  create(AnySchema, { typeUrl: "foreign" }),
];

/** A random message; `depth` limits how deep messages are nested. */
export function randomMessage(by: Generator, desc: DescMessage, depth = 2): MessageShape<DescMessage> {
  const { random } = by;
  const message = create(desc) as MessageShape<DescMessage> & Fields;
  // Those further in have few fields.
  const few = 1 + (random(desc.fields.length + 1) >> (3 * (2 - depth)));
  for (const field of desc.fields) {
    const isRequired = field.presence === 3;
    if (!isRequired && random(desc.fields.length + 1) >= few) continue;
    if (field.message !== undefined && depth === 0) continue;
    // These are left to `toBinary`, and most messages should not be.
    if (isJson(field) && random(20) > 0) continue;
    set(by, message, field, depth);
  }
  if (random(4) === 0) message.$unknown = unknownFields(random);
  if (fault(by)) message[oneOf(random, Object.keys(message))] = oneOf(random, FAULTS);
  return message;
}

function set(by: Generator, message: Fields, field: DescField, depth: number): void {
  const { random } = by, { localName } = field;
  const value = () => randomValue(by, field, depth);
  if (field.fieldKind === "list") {
    message[localName] = Array.from({
      length: field.message === undefined ? oneOf(random, [0, 1, 2, 3, 40]) : random(1 + depth),
    }, value);
  } else if (field.fieldKind === "map") {
    message[localName] = Object.fromEntries(
      Array.from({ length: random(4) }, () => [randomKey(by, field.mapKey), value()]),
    );
  } else if (field.oneof !== undefined) {
    message[field.oneof.localName] = { case: localName, value: value() };
  } else {
    message[localName] = value();
  }
}

/** Whether protobuf-es keeps the field's messages as JSON. */
function isJson({ message, parent }: DescField): boolean {
  return message?.typeName === "google.protobuf.Struct" && parent?.typeName !== "google.protobuf.Value";
}

function fault({ random, oneFaultIn }: Generator): boolean {
  return oneFaultIn > 0 && random(oneFaultIn) === 0;
}

/** A value, or an element, of a field. */
function randomValue(by: Generator, field: DescField, depth: number): unknown {
  const { random } = by;
  if (fault(by)) return oneOf(random, FAULTS);
  const { message } = field;
  if (message !== undefined) {
    if (isJson(field)) return randomJson(random, depth);
    if (field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(message)) {
      return randomScalar(random, message.fields[0]!.scalar!, false);
    }
    return randomMessage(by, message, depth - 1);
  }
  if (field.enum !== undefined) return oneOf(random, [...field.enum.values.map(({ number }) => number), 1_000, -7]);
  return randomScalar(random, field.scalar!, "longAsString" in field && field.longAsString);
}

function randomKey(by: Generator, type: ScalarType): string {
  const { random } = by;
  if (fault(by)) return oneOf(random, ["", "x", "1.5", "0x10", "99999999999999999999", "-1", "True"]);
  return type === ScalarType.STRING ? randomText(random) : String(randomScalar(random, type, false));
}

function randomText(random: Random): string {
  if (random(8) > 0) return oneOf(random, TEXTS);
  const length = oneOf(random, LENGTHS);
  return oneOf(random, ["x", "ü", "語", "\u{1f600}", "\udc00"]).repeat(length).slice(0, length) + oneOf(random, TEXTS);
}

function randomScalar(random: Random, type: ScalarType, asText: boolean): unknown {
  const integer = () => random(3) > 0 ? oneOf(random, INTEGERS) : random(2 ** 32) >> random(32);
  switch (type) {
    case ScalarType.STRING:
      return randomText(random);
    case ScalarType.BYTES:
      return noise(random, random(8) > 0 ? random(60) : oneOf(random, LENGTHS));
    case ScalarType.BOOL:
      return random(2) === 0;
    case ScalarType.DOUBLE:
      return random(2) === 0
        ? oneOf(random, NUMBERS)
        : new DataView(noise(random, 8).buffer as ArrayBuffer).getFloat64(0);
    case ScalarType.FLOAT:
      return random(2) === 0
        ? oneOf(random, NUMBERS)
        : new DataView(noise(random, 4).buffer as ArrayBuffer).getFloat32(0);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return integer() | 0;
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return integer() >>> 0;
    default: {
      const bits = new DataView(noise(random, 8).buffer as ArrayBuffer).getBigInt64(0) >> BigInt(random(64));
      const big = random(2) === 0 ? bits : oneOf(random, [
        ...INTEGERS.map(BigInt),
        2n ** 53n,
        -(2n ** 53n) - 1n,
        2n ** 63n - 1n,
        -(2n ** 63n),
        2n ** 32n,
        -(2n ** 32n),
      ]);
      const signed = type !== ScalarType.UINT64 && type !== ScalarType.FIXED64;
      const value = signed ? BigInt.asIntN(64, big) : BigInt.asUintN(64, big);
      return asText ? String(value) : value;
    }
  }
}

function randomJson(random: Random, depth: number): Fields {
  const value = (left: number): unknown =>
    oneOf<() => unknown>(random, [
      () => null,
      () => random(2) === 0,
      () => oneOf(random, NUMBERS),
      () => oneOf(random, TEXTS),
      () => left > 0 ? Array.from({ length: random(3) }, () => value(left - 1)) : 1,
      () => left > 0 ? randomJson(random, left - 1) : 2,
    ])();
  return Object.fromEntries(Array.from({ length: random(4) }, () => [oneOf(random, TEXTS), value(depth)]));
}

/** As they come from a newer server: bytes that include the length, where there is one. */
function unknownFields(random: Random) {
  return Array.from({ length: random(4) }, () => ({
    no: oneOf(random, [1, 15, 16, 5_000, 536_870_911]),
    wireType: random(6),
    data: noise(random, random(40)),
  }));
}
