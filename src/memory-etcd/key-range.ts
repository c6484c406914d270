/** A key as a string with one character per byte: such strings compare like their bytes, and can be map keys. */
export type Key = string;

/** The keys from `start` on, up to but not including `end`; without an upper bound if `end` is undefined. */
export interface KeyRange {
  readonly start: Key;
  readonly end: Key | undefined;
}

/** Converts a key's bytes to a {@link Key}. */
export function keyOf(bytes: Uint8Array): Key {
  let key = "";
  for (const byte of bytes) key += String.fromCharCode(byte);
  return key;
}

/** Converts a {@link Key} back to bytes. */
export function bytesOf(key: Key): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(key, (character) => character.charCodeAt(0));
}

/**
 * The range that a request's `key` and `range_end` mean in etcd: without an end, the single key; with the end "\0", all
 * keys from `key` on; otherwise those from `key` up to but not including the end.
 */
export function keyRange(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  const start = keyOf(key);
  // No key sorts between a key and the same key followed by a zero byte.
  if (rangeEnd.length === 0) return { start, end: start + "\0" };
  return { start, end: rangeEnd.length === 1 && rangeEnd[0] === 0 ? undefined : keyOf(rangeEnd) };
}

export function contains(range: KeyRange, key: Key): boolean {
  return key >= range.start && (range.end === undefined || key < range.end);
}

export function overlap(a: KeyRange, b: KeyRange): boolean {
  return (b.end === undefined || a.start < b.end) && (a.end === undefined || b.start < a.end);
}
