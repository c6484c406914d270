/**
 * A key as a string with one character per byte: such strings compare as their bytes do, and can be the keys of a map.
 */
export type Key = string;

/** The keys from `start` on: before `end`, or all of them (`end` undefined). */
export interface KeyRange {
  readonly start: Key;
  readonly end: Key | undefined;
}

/** The bytes of a key, as a {@link Key}. */
export function keyOf(bytes: Uint8Array): Key {
  let key = "";
  for (const byte of bytes) key += String.fromCharCode(byte);
  return key;
}

/** The bytes that a {@link Key} stands for. */
export function bytesOf(key: Key): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(key, (character) => character.charCodeAt(0));
}

/**
 * The keys that a request's `key` and `range_end` mean to etcd: without an end the one key, with the end "\0" all from
 * the key on, otherwise those from the key to before the end.
 */
export function keyRange(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  const start = keyOf(key);
  // No key lies between a key and the same key with a zero byte after it.
  if (rangeEnd.length === 0) return { start, end: start + "\0" };
  return { start, end: rangeEnd.length === 1 && rangeEnd[0] === 0 ? undefined : keyOf(rangeEnd) };
}

export function contains(range: KeyRange, key: Key): boolean {
  return key >= range.start && (range.end === undefined || key < range.end);
}

export function overlap(a: KeyRange, b: KeyRange): boolean {
  return (b.end === undefined || a.start < b.end) && (a.end === undefined || b.start < a.end);
}
