// Reads and writes the integers of frames and gRPC messages, in network byte order, and copies short ranges.

/** Writes 32 bits in network order. */
export function writeUint32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

/** Reads 32 bits in network order. */
export function readUint32(from: Uint8Array, at: number): number {
  return ((from[at]! << 24) | (from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!) >>> 0;
}

/** Reads 24 bits in network order. */
export function readUint24(from: Uint8Array, at: number): number {
  return (from[at]! << 16) | (from[at + 1]! << 8) | from[at + 2]!;
}

/** Copies a range and returns where it ends. A loop is faster than `set` for the few bytes of a small call. */
export function copy(from: Uint8Array, start: number, end: number, into: Uint8Array, at: number): number {
  if (end - start > 48) {
    into.set(start === 0 && end === from.length ? from : from.subarray(start, end), at);
    return at + end - start;
  }
  for (let i = start; i < end; i++) into[at++] = from[i]!;
  return at;
}
