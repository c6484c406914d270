import { create, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { wireTypeOf } from "../encoder/scalar.ts";
import { continueAt, next, type Read, readLength, scalarReader, UNUSUAL } from "./scalar.ts";

/** A message as protobuf-es keeps it. */
export type Fields = Record<string, unknown>;

/**
 * Reads what follows a field's tag into the message; returns where it ends, or {@link UNUSUAL}. `end` is the end of the
 * message.
 */
export type ReadField = (message: Fields, bytes: Uint8Array, at: number, end: number) => number;

/** Reads messages of a type: fields until `end`. */
export type ReadMessage = ReadField;

const DELIMITED = 2;

/**
 * The functions that read a field, by tag: a list has one for elements that come packed and one for others. What has
 * none is left to protobuf-es.
 */
export function fieldReaders(
  field: DescField,
  messageReader: (desc: DescMessage) => ReadMessage,
): [tag: number, read: ReadField][] {
  if (field.fieldKind === "map") return [];
  const read = field.message === undefined ? valueReader(field) : childReader(field, field.message, messageReader);
  if (read === undefined) return [];
  const wireType = field.message === undefined ? wireTypeOf(scalarOf(field)) : DELIMITED;
  const tag = (field.number << 3) | wireType;
  if (field.fieldKind !== "list") return [[tag, setter(field, read)]];
  const one: [number, ReadField] = [tag, adder(field.localName, read)];
  return wireType === DELIMITED ? [one] : [one, [(field.number << 3) | DELIMITED, packedReader(field.localName, read)]];
}

function valueReader(field: DescField): Read | undefined {
  // Closed enums have unknown values.
  if (field.enum !== undefined && field.fieldKind !== "list" && !field.enum.open) return undefined;
  const { utf8Validation } = field as { readonly utf8Validation?: boolean };
  return scalarReader(scalarOf(field), utf8Validation === true, "longAsString" in field && field.longAsString);
}

/** Reads a message that is a field's value. */
function childReader(
  field: DescField,
  desc: DescMessage,
  messageReader: (desc: DescMessage) => ReadMessage,
): Read | undefined {
  // Fields of these types don't hold messages.
  if (
    ("delimitedEncoding" in field && field.delimitedEncoding) || desc.typeName === "google.protobuf.Struct" ||
    isWrapperDesc(desc)
  ) return undefined;
  const read = messageReader(desc);
  return (bytes, at, end) => {
    const child = create(desc) as Fields;
    const length = readLength(bytes, at, end), start = next;
    if (start >= 0) continueAt(read(child, bytes, start, start + length));
    return child;
  };
}

function setter(field: DescField, read: Read): ReadField {
  const { localName } = field;
  const merges = field.message !== undefined;
  if (field.oneof !== undefined) {
    const { localName: group } = field.oneof;
    return (message, bytes, at, end) => {
      if (merges && (message[group] as { case: unknown }).case === localName) return UNUSUAL;
      message[group] = { case: localName, value: read(bytes, at, end) };
      return next;
    };
  }
  return (message, bytes, at, end) => {
    // A second message is merged into the first.
    if (merges && message[localName] !== undefined) return UNUSUAL;
    message[localName] = read(bytes, at, end);
    return next;
  };
}

function adder(localName: string, read: Read): ReadField {
  return (message, bytes, at, end) => {
    (message[localName] as unknown[]).push(read(bytes, at, end));
    return next;
  };
}

function packedReader(localName: string, read: Read): ReadField {
  return (message, bytes, at, end) => {
    const items = message[localName] as unknown[];
    const length = readLength(bytes, at, end), start = next;
    if (start < 0) return start;
    const last = start + length;
    let to = start;
    while (to < last && to >= 0) {
      items.push(read(bytes, to, last));
      to = next;
    }
    return to;
  };
}

function scalarOf(field: DescField): ScalarType {
  return field.scalar ?? ScalarType.INT32; // An enum.
}
