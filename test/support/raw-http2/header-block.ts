import { concat } from "./frame.ts";

/** A header field: name, value. A value may be bytes, for values that are no ASCII. */
export type Field = readonly [name: string, value: string | Uint8Array];

const utf8 = new TextEncoder();

/**
 * A header block of literals without indexing (RFC 7541, section 6.2.2) and without Huffman coding: it needs no state,
 * so any block may be sent at any time, in any order, and split anywhere.
 */
export function headerBlock(fields: readonly Field[]): Uint8Array {
  return concat(
    ...fields.map(([name, value]) => concat(new Uint8Array([0x00]), stringLiteral(name), stringLiteral(value))),
  );
}

/** A string literal (RFC 7541, section 5.2). */
export function stringLiteral(value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === "string" ? utf8.encode(value) : value;
  return concat(integer(0x00, 7, bytes.length), bytes);
}

/** An integer with a prefix of `bits` bits (RFC 7541, section 5.1); `first` holds the bits above the prefix. */
export function integer(first: number, bits: number, value: number): Uint8Array {
  const limit = 2 ** bits - 1;
  if (value < limit) return new Uint8Array([first | value]);
  const out = [first | limit];
  let rest = value - limit;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 0x80);
  out.push(rest);
  return new Uint8Array(out);
}
