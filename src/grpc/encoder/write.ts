// What all parts of the encoder share: how they are called, and the lengths and tags between values.

/**
 * Writes a value at an offset and returns where it ends. Bounds are not checked on the way: if the end is beyond the
 * array's, the array holds only a part, and an array that reaches up to that end has room for everything. Returns
 * {@link UNUSUAL} if only protobuf-es knows what to do.
 */
export type Write<T = unknown> = (value: T, into: Uint8Array, at: number) => number;

/** The encoder doesn't know such a value: protobuf-es encodes the message, or throws its own error. */
export const UNUSUAL = -1;

/** How many bytes an unsigned integer of up to 32 bits takes. */
export function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

/** Writes an unsigned integer of up to 32 bits: a tag, a length or a value. */
export function writeVarint(value: number, into: Uint8Array, at: number): number {
  while (value > 0x7f) {
    into[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  into[at] = value;
  return at + 1;
}

/**
 * Writes the length of what lies between `start` + 1 and `end`: one byte before it was left free, since most lengths fit
 * there. If it takes more, the content moves. Passes on {@link UNUSUAL}.
 */
export function writeLength(into: Uint8Array, start: number, end: number): number {
  if (end < 0) return end;
  const length = end - start - 1;
  if (length < 0x80) {
    into[start] = length;
    return end;
  }
  const more = varintBytes(length) - 1;
  if (end <= into.length) into.copyWithin(start + 1 + more, start + 1, end);
  writeVarint(length, into, start);
  return end + more;
}
