import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { scalarWriter, wireTypeOf } from "./scalar.ts";
import { UNUSUAL, type Write, writeLength, writeVarint } from "./write.ts";

/** A message as protobuf-es keeps it. */
export type Fields = Readonly<Record<string, unknown>>;

type SingularField = DescField & { readonly fieldKind: "scalar" | "enum" | "message" };
type MapField = DescField & { readonly fieldKind: "map" };
type KeyOfMap = MapField["mapKey"];

const DELIMITED = 2, GROUP = 3, GROUP_END = 4;
// protobuf-es's FeatureSet_FieldPresence, without its large file.
const IMPLICIT = 2, REQUIRED = 3;

/** The function that writes a field of a message. `messageWriter` returns the one for messages of a type. */
export function fieldWriter(field: DescField, messageWriter: (desc: DescMessage) => Write<Fields>): Write<Fields> {
  const { localName } = field;
  if (field.fieldKind === "list") return listWriter(field, elementWriter(field, messageWriter));
  if (field.fieldKind === "map") return mapWriter(field, valueWriter(2, field, messageWriter));
  const write = elementWriter(field, messageWriter);
  if (field.oneof !== undefined) {
    const { localName: group } = field.oneof;
    return (message, into, at) => {
      const { case: name, value } = message[group] as { case: string | undefined; value?: unknown };
      return name === localName ? write(value, into, at) : at;
    };
  }
  if (field.presence !== IMPLICIT) {
    const missing = field.presence === REQUIRED;
    return (message, into, at) => {
      const value = message[localName];
      // Where a default value may be set, the prototype has it.
      if (value !== undefined && Object.hasOwn(message, localName)) return write(value, into, at);
      return missing ? UNUSUAL : at;
    };
  }
  return implicitWriter(field, write);
}

/** A field that is written unless it has its type's zero value. */
function implicitWriter(field: SingularField, write: Write): Write<Fields> {
  const { localName } = field;
  if (field.scalar === ScalarType.BYTES) {
    return (message, into, at) => {
      const value = message[localName];
      return value instanceof Uint8Array && value.length === 0 ? at : write(value, into, at);
    };
  }
  if (field.scalar === ScalarType.DOUBLE || field.scalar === ScalarType.FLOAT) {
    // -0 is written.
    return (message, into, at) => Object.is(message[localName], 0) ? at : write(message[localName], into, at);
  }
  const zero = zeroOf(field);
  return (message, into, at) => {
    const value = message[localName];
    return value === zero ? at : write(value, into, at);
  };
}

function zeroOf(field: SingularField): unknown {
  if (field.fieldKind === "enum") return field.enum.values[0]!.number;
  switch (field.scalar) {
    case ScalarType.STRING:
      return "";
    case ScalarType.BOOL:
      return false;
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return field.longAsString ? "0" : 0n;
    default:
      return 0;
  }
}

function listWriter(field: DescField & { readonly fieldKind: "list" }, write: Write): Write<Fields> {
  const { localName } = field;
  if (field.packed) return packedWriter(localName, field.number, scalarWriter(scalarOf(field)));
  return (message, into, at) => {
    const items = message[localName];
    if (!Array.isArray(items)) return UNUSUAL;
    for (let i = 0; i < items.length && at >= 0; i++) at = write(items[i], into, at);
    return at;
  };
}

function packedWriter(localName: string, number: number, write: Write): Write<Fields> {
  const tag = tagOf(number, DELIMITED);
  return (message, into, at) => {
    const items = message[localName];
    if (!Array.isArray(items)) return UNUSUAL;
    if (items.length === 0) return at;
    const start = writeVarint(tag, into, at);
    let end = start + 1;
    for (let i = 0; i < items.length && end >= 0; i++) end = write(items[i], into, end);
    return writeLength(into, start, end);
  };
}

/** Each entry is a message of a key and a value. */
function mapWriter({ localName, number, mapKey }: MapField, write: Write): Write<Fields> {
  const tag = tagOf(number, DELIMITED), keyTag = tagOf(1, wireTypeOf(mapKey));
  const writeKey = scalarWriter(mapKey), convert = keyConverter(mapKey);
  return (message, into, at) => {
    const map = message[localName] as Fields;
    const keys = Object.keys(map);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      const start = writeVarint(tag, into, at);
      const value = writeKey(convert(key), into, writeVarint(keyTag, into, start + 1));
      if (value < 0) return value;
      at = writeLength(into, start, write(map[key], into, value));
      if (at < 0) return at;
    }
    return at;
  };
}

/** Keys are text in the map, whatever they are on the wire. */
function keyConverter(type: KeyOfMap): (key: string) => unknown {
  switch (type) {
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return Number.parseInt;
    case ScalarType.BOOL:
      return (key) => (key === "true" ? true : key === "false" ? false : key);
    default:
      return (key) => key;
  }
}

/** Writes a field's value, or an element of a list, with its tag. */
function elementWriter(field: DescField, messageWriter: (desc: DescMessage) => Write<Fields>): Write {
  return valueWriter(field.number, field, messageWriter);
}

/** Writes a value of the field's type under a tag of this number. */
function valueWriter(
  number: number,
  field: DescField,
  messageWriter: (desc: DescMessage) => Write<Fields>,
): Write {
  const { message } = field;
  if (message === undefined) {
    const scalar = scalarOf(field);
    const tag = tagOf(number, wireTypeOf(scalar)), write = scalarWriter(scalar);
    return (value, into, at) => write(value, into, writeVarint(tag, into, at));
  }
  // Fields of this type are kept as JSON.
  if (message.typeName === "google.protobuf.Struct" && field.parent!.typeName !== "google.protobuf.Value") {
    return () => UNUSUAL;
  }
  const write = localWriter(field, message, messageWriter(message) as Write);
  if (field.fieldKind !== "map" && field.delimitedEncoding) {
    const tag = tagOf(number, GROUP), endTag = tagOf(number, GROUP_END);
    return (value, into, at) => {
      const end = write(value, into, writeVarint(tag, into, at));
      return end < 0 ? end : writeVarint(endTag, into, end);
    };
  }
  const tag = tagOf(number, DELIMITED);
  return (value, into, at) => {
    const start = writeVarint(tag, into, at);
    return writeLength(into, start, write(value, into, start + 1));
  };
}

/** Writes messages as a field keeps them: where it has a wrapper's type, it holds the wrapped value alone. */
function localWriter(field: DescField, message: DescMessage, write: Write): Write {
  if (field.fieldKind !== "message" || field.oneof !== undefined || !isWrapperDesc(message)) return write;
  const $typeName = message.typeName, { localName } = message.fields[0]!;
  return (value, into, at) => write({ $typeName, [localName]: value }, into, at);
}

function scalarOf(field: DescField): ScalarType {
  return field.scalar ?? ScalarType.INT32; // An enum.
}

function tagOf(number: number, wireType: number): number {
  return ((number << 3) | wireType) >>> 0;
}
