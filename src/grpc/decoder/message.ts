import type { DescMessage } from "@bufbuild/protobuf";
import { fieldReaders, type ReadField, type ReadMessage } from "./field.ts";
import { UNUSUAL } from "./scalar.ts";

/** Messages nested deeper are left to protobuf-es, which has a limit. */
const MOST_DEPTH = 32;
/** Field numbers above this have tags of more than two bytes, which are left to protobuf-es. */
const MOST_NUMBER = 2_047;

const readers = new WeakMap<DescMessage, ReadMessage>();
let depth = 0;

/** The function that reads messages of a type, compiled when it is first needed. */
export function messageReader(desc: DescMessage): ReadMessage {
  return readers.get(desc) ?? compile(desc);
}

/** A message that isn't nested in another follows. */
export function startAtRoot(): void {
  depth = 0;
}

function compile(desc: DescMessage): ReadMessage {
  const byTag: (ReadField | undefined)[] = [];
  const read: ReadMessage = (message, bytes, at, end) => {
    if (++depth > MOST_DEPTH) return UNUSUAL;
    while (at < end) {
      let tag = bytes[at++]!;
      if (tag > 0x7f) {
        const second = bytes[at++]!;
        if (second > 0x7f) return UNUSUAL;
        tag = (tag & 0x7f) | (second << 7);
      }
      const field = byTag[tag];
      if (field === undefined || at > end) return UNUSUAL;
      at = field(message, bytes, at, end);
      if (at < 0) return at;
    }
    depth--;
    return at;
  };
  // Before its fields: a message may contain others of its own type.
  readers.set(desc, read);
  const found = desc.fields.filter(({ number }) => number <= MOST_NUMBER)
    .flatMap((field) => fieldReaders(field, messageReader))
    .toSorted(([a], [b]) => a - b);
  for (const [tag, field] of found) {
    while (byTag.length < tag) byTag.push(undefined);
    byTag.push(field);
  }
  return read;
}
