import type { DescMessage, UnknownField } from "@bufbuild/protobuf";
import { type Fields, fieldWriter } from "./field.ts";
import { writeRaw } from "./scalar.ts";
import { UNUSUAL, type Write, writeVarint } from "./write.ts";

const writers = new WeakMap<DescMessage, Write<Fields>>();

/** The function that writes messages of a type, compiled when it is first needed. */
export function messageWriter(desc: DescMessage): Write<Fields> {
  return writers.get(desc) ?? compile(desc);
}

function compile(desc: DescMessage): Write<Fields> {
  const { typeName } = desc;
  const fields: Write<Fields>[] = [];
  const write: Write<Fields> = (message, into, at) => {
    if (message["$typeName"] !== typeName) return UNUSUAL;
    for (let i = 0; i < fields.length && at >= 0; i++) at = fields[i]!(message, into, at);
    const unknown = message["$unknown"] as readonly UnknownField[] | undefined;
    return unknown === undefined || at < 0 ? at : writeUnknown(unknown, into, at);
  };
  // Before its fields: a message may contain others of its own type.
  writers.set(desc, write);
  const byNumber = desc.fields.toSorted((a, b) => a.number - b.number);
  for (const field of byNumber) fields.push(fieldWriter(field, messageWriter));
  return write;
}

/** Fields that this side's schema does not have, and extensions. */
function writeUnknown(unknown: readonly UnknownField[], into: Uint8Array, at: number): number {
  for (const { no, wireType, data } of unknown) {
    at = writeRaw(data, into, writeVarint(((no << 3) | wireType) >>> 0, into, at));
  }
  return at;
}
