import { protoInt64, ScalarType } from "@bufbuild/protobuf";

/**
 * Reads a value that begins at an offset and returns it; {@link next} is then where it ends, or {@link UNUSUAL} if only
 * protobuf-es knows what to do. `end` is the end of the message.
 */
export type Read<T = unknown> = (bytes: Uint8Array, at: number, end: number) => T;

/** Something that the decoder does not know: protobuf-es decodes the message, or throws its own error. */
export const UNUSUAL = -1;

/** Where the value that was read last ends, or {@link UNUSUAL}. */
export let next = 0;

/** Sets {@link next}. */
export function continueAt(at: number): void {
  next = at;
}

/** Longer strings are decoded by the runtime. */
const SHORT_STRING = 32;

// U+FEFF at the start of a string is text.
const textDecoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictTextDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
const scratch = new Uint8Array(8);
const view = new DataView(scratch.buffer);
/** The upper half of the varint that was read last. */
let high = 0;

/** The function that reads values of a scalar type; undefined: protobuf-es does. */
export function scalarReader(type: ScalarType, utf8Validation: boolean, longAsString: boolean): Read | undefined {
  switch (type) {
    case ScalarType.STRING:
      return utf8Validation ? readStrictString : readString;
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return longAsString || !protoInt64.supported ? undefined : READERS[type];
    default:
      return READERS[type];
  }
}

/** The lower 32 bits of a varint. What continues beyond the end of the message is unusual. */
export function readVarint(bytes: Uint8Array, at: number, end: number): number {
  high = 0;
  let byte = bytes[at]!;
  if (byte < 0x80) {
    next = at < end ? at + 1 : UNUSUAL;
    return byte;
  }
  let low = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    byte = bytes[at++]!;
    if (shift < 28) low |= (byte & 0x7f) << shift;
    else if (shift === 28) {
      low |= (byte & 0x0f) << 28;
      high = (byte & 0x70) >> 4;
    } else high |= (byte & 0x7f) << (shift - 32);
    if (byte < 0x80) {
      next = at <= end ? at : UNUSUAL;
      return low;
    }
  }
  next = UNUSUAL;
  return 0;
}

/** The length of what follows, which must end within the message. */
export function readLength(bytes: Uint8Array, at: number, end: number): number {
  const length = readVarint(bytes, at, end);
  if (length < 0 || next + length > end) next = UNUSUAL;
  return length;
}

function readString(bytes: Uint8Array, at: number, end: number): string {
  return readText(bytes, at, end, textDecoder);
}

function readStrictString(bytes: Uint8Array, at: number, end: number): string {
  return readText(bytes, at, end, strictTextDecoder);
}

/** An error of the strict decoder is left to protobuf-es, too. */
function readText(bytes: Uint8Array, at: number, end: number, decoder: TextDecoder): string {
  const length = readLength(bytes, at, end), start = next;
  if (start < 0 || length === 0) return "";
  next = start + length;
  if (length > SHORT_STRING) return decoder.decode(bytes.subarray(start, next));
  const codes = new Array<number>(length);
  for (let i = 0; i < length; i++) {
    const code = bytes[start + i]!;
    if (code > 0x7f) return decoder.decode(bytes.subarray(start, next));
    codes[i] = code;
  }
  return String.fromCharCode.apply(undefined, codes);
}

function readBytes(bytes: Uint8Array, at: number, end: number): Uint8Array {
  const length = readLength(bytes, at, end), start = next;
  if (start < 0) return scratch;
  next = start + length;
  return bytes.subarray(start, next);
}

function readBool(bytes: Uint8Array, at: number, end: number): boolean {
  return readVarint(bytes, at, end) !== 0 || high !== 0;
}

function readInt32(bytes: Uint8Array, at: number, end: number): number {
  return readVarint(bytes, at, end) | 0;
}

function readUint32(bytes: Uint8Array, at: number, end: number): number {
  return readVarint(bytes, at, end) >>> 0;
}

function readSint32(bytes: Uint8Array, at: number, end: number): number {
  const zigzag = readVarint(bytes, at, end);
  return (zigzag >>> 1) ^ -(zigzag & 1);
}

function readInt64(bytes: Uint8Array, at: number, end: number): bigint {
  return BigInt.asIntN(64, readUint64(bytes, at, end));
}

function readUint64(bytes: Uint8Array, at: number, end: number): bigint {
  return joined(readVarint(bytes, at, end), high);
}

function readSint64(bytes: Uint8Array, at: number, end: number): bigint {
  const low = readVarint(bytes, at, end), sign = -(low & 1);
  const lower = ((low >>> 1) | ((high & 1) << 31)) ^ sign;
  return BigInt.asIntN(64, joined(lower, (high >>> 1) ^ sign));
}

function joined(low: number, high: number): bigint {
  if (high === 0) return BigInt(low >>> 0);
  view.setUint32(0, low, true);
  view.setUint32(4, high, true);
  return view.getBigUint64(0, true);
}

/** Copies a value of fixed length to where it can be read as what it is. */
function fixed(bytes: Uint8Array, at: number, end: number, length: 4 | 8): DataView {
  for (let i = 0; i < length; i++) scratch[i] = bytes[at + i]!;
  next = at + length <= end ? at + length : UNUSUAL;
  return view;
}

const READERS: Readonly<Record<ScalarType, Read>> = {
  [ScalarType.STRING]: readStrictString,
  [ScalarType.BYTES]: readBytes,
  [ScalarType.BOOL]: readBool,
  [ScalarType.INT32]: readInt32,
  [ScalarType.UINT32]: readUint32,
  [ScalarType.SINT32]: readSint32,
  [ScalarType.FIXED32]: (bytes, at, end) => fixed(bytes, at, end, 4).getUint32(0, true),
  [ScalarType.SFIXED32]: (bytes, at, end) => fixed(bytes, at, end, 4).getInt32(0, true),
  [ScalarType.FLOAT]: (bytes, at, end) => fixed(bytes, at, end, 4).getFloat32(0, true),
  [ScalarType.DOUBLE]: (bytes, at, end) => fixed(bytes, at, end, 8).getFloat64(0, true),
  [ScalarType.INT64]: readInt64,
  [ScalarType.UINT64]: readUint64,
  [ScalarType.SINT64]: readSint64,
  [ScalarType.FIXED64]: (bytes, at, end) => fixed(bytes, at, end, 8).getBigUint64(0, true),
  [ScalarType.SFIXED64]: (bytes, at, end) => fixed(bytes, at, end, 8).getBigInt64(0, true),
};
