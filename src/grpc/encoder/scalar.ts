import { ScalarType } from "@bufbuild/protobuf";
import { copy } from "../../http2/wire/bytes.ts";
import { UNUSUAL, varintBytes, type Write, writeVarint } from "./write.ts";

/** Longer strings are encoded by the runtime: a call of it costs more than a loop over these. */
const SHORT_STRING = 64;
const LARGEST_FLOAT = 3.4028234663852886e38;
const DECIMAL = /^-?[0-9]+$/;
const TWO_32 = 2 ** 32;
const SIGNED = [-(2n ** 63n), 2n ** 63n - 1n] as const;
const UNSIGNED = [0n, 2n ** 64n - 1n] as const;

const textEncoder = new TextEncoder();
const scratch = new Uint8Array(8);
const view = new DataView(scratch.buffer);

/** The function that writes values of a scalar type, without the tag. */
export function scalarWriter(type: ScalarType): Write {
  return WRITERS[type];
}

/** The wire type of a scalar type (Protocol Buffers' encoding, "Message structure"). */
export function wireTypeOf(type: ScalarType): number {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return 2;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return 1;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return 5;
    default:
      return 0;
  }
}

function writeString(value: unknown, into: Uint8Array, at: number): number {
  if (typeof value !== "string") return UNUSUAL;
  const { length } = value;
  if (length > SHORT_STRING) return writeText(value, into, at);
  let to = at + 1;
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i);
    if (code > 0x7f) return writeText(value, into, at);
    into[to++] = code;
  }
  into[at] = length;
  return to;
}

function writeText(value: string, into: Uint8Array, at: number): number {
  const most = at + 5 + 3 * value.length;
  if (most > into.length) return most;
  // Usually right: most texts are ASCII.
  const guess = varintBytes(value.length);
  const { written } = textEncoder.encodeInto(value, into.subarray(at + guess));
  const size = varintBytes(written);
  if (size !== guess) into.copyWithin(at + size, at + guess, at + guess + written);
  return writeVarint(written, into, at) + written;
}

function writeBytes(value: unknown, into: Uint8Array, at: number): number {
  if (!(value instanceof Uint8Array)) return UNUSUAL;
  return writeRaw(value, into, writeVarint(value.length, into, at));
}

/** Writes bytes as they are. */
export function writeRaw(bytes: Uint8Array, into: Uint8Array, at: number): number {
  const end = at + bytes.length;
  if (end <= into.length) copy(bytes, 0, bytes.length, into, at);
  return end;
}

function writeBool(value: unknown, into: Uint8Array, at: number): number {
  if (typeof value !== "boolean") return UNUSUAL;
  into[at] = value ? 1 : 0;
  return at + 1;
}

function writeInt32(value: unknown, into: Uint8Array, at: number): number {
  if (typeof value !== "number" || (value | 0) !== value) return UNUSUAL;
  return value >= 0 ? writeVarint(value, into, at) : writeVarint64(value >>> 0, 0xffff_ffff, into, at);
}

function writeUint32(value: unknown, into: Uint8Array, at: number): number {
  if (typeof value !== "number" || value >>> 0 !== value) return UNUSUAL;
  return writeVarint(value, into, at);
}

function writeSint32(value: unknown, into: Uint8Array, at: number): number {
  if (typeof value !== "number" || (value | 0) !== value) return UNUSUAL;
  return writeVarint(((value << 1) ^ (value >> 31)) >>> 0, into, at);
}

function writeFixed32(value: unknown, into: Uint8Array, at: number): number {
  if (typeof value !== "number" || value >>> 0 !== value) return UNUSUAL;
  return writeBits32(value, into, at);
}

function writeSfixed32(value: unknown, into: Uint8Array, at: number): number {
  if (typeof value !== "number" || (value | 0) !== value) return UNUSUAL;
  return writeBits32(value, into, at);
}

function writeFloat(value: unknown, into: Uint8Array, at: number): number {
  if (typeof value !== "number" || (Math.abs(value) > LARGEST_FLOAT && Number.isFinite(value))) return UNUSUAL;
  view.setFloat32(0, value, true);
  return copy(scratch, 0, 4, into, at);
}

function writeDouble(value: unknown, into: Uint8Array, at: number): number {
  if (typeof value !== "number") return UNUSUAL;
  view.setFloat64(0, value, true);
  return copy(scratch, 0, 8, into, at);
}

/** For integers of 64 bits, signed or not: `write` gets their halves. */
function int64Writer(
  [least, most]: readonly [bigint, bigint],
  write: (lo: number, hi: number, into: Uint8Array, at: number) => number,
): Write {
  const leastNumber = Number(least);
  return (value, into, at) => {
    // Some schemas have them as text.
    const integer = typeof value === "string" && DECIMAL.test(value) ? BigInt(value) : value;
    if (typeof integer !== "bigint") return UNUSUAL;
    // Most are small, and numbers take less than what BigInts need.
    const number = Number(integer);
    if (Number.isSafeInteger(number) && number >= leastNumber) {
      return write(number >>> 0, Math.floor(number / TWO_32) >>> 0, into, at);
    }
    if (integer < least || integer > most) return UNUSUAL;
    view.setBigInt64(0, integer, true);
    return write(view.getUint32(0, true), view.getUint32(4, true), into, at);
  };
}

function writeZigzag64(lo: number, hi: number, into: Uint8Array, at: number): number {
  const sign = (hi | 0) >> 31;
  return writeVarint64(((lo << 1) ^ sign) >>> 0, (((hi << 1) | (lo >>> 31)) ^ sign) >>> 0, into, at);
}

function writeBits64(lo: number, hi: number, into: Uint8Array, at: number): number {
  return writeBits32(hi, into, writeBits32(lo, into, at));
}

function writeVarint64(lo: number, hi: number, into: Uint8Array, at: number): number {
  while (hi > 0) {
    into[at++] = (lo & 0x7f) | 0x80;
    lo = ((lo >>> 7) | (hi << 25)) >>> 0;
    hi >>>= 7;
  }
  return writeVarint(lo, into, at);
}

/** Little endian. */
function writeBits32(value: number, into: Uint8Array, at: number): number {
  into[at] = value;
  into[at + 1] = value >>> 8;
  into[at + 2] = value >>> 16;
  into[at + 3] = value >>> 24;
  return at + 4;
}

const WRITERS: Readonly<Record<ScalarType, Write>> = {
  [ScalarType.STRING]: writeString,
  [ScalarType.BYTES]: writeBytes,
  [ScalarType.BOOL]: writeBool,
  [ScalarType.INT32]: writeInt32,
  [ScalarType.UINT32]: writeUint32,
  [ScalarType.SINT32]: writeSint32,
  [ScalarType.FIXED32]: writeFixed32,
  [ScalarType.SFIXED32]: writeSfixed32,
  [ScalarType.FLOAT]: writeFloat,
  [ScalarType.DOUBLE]: writeDouble,
  [ScalarType.INT64]: int64Writer(SIGNED, writeVarint64),
  [ScalarType.UINT64]: int64Writer(UNSIGNED, writeVarint64),
  [ScalarType.SINT64]: int64Writer(SIGNED, writeZigzag64),
  [ScalarType.FIXED64]: int64Writer(UNSIGNED, writeBits64),
  [ScalarType.SFIXED64]: int64Writer(SIGNED, writeBits64),
};
