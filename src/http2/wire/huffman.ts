import { Http2Error } from "./error.ts";
import * as ErrorCode from "./error-code.ts";

/**
 * RFC 7541 Appendix B, as code lengths in bits by symbol, one digit of base 32 each: the code is canonical (codes of
 * one length are consecutive in the order of their symbols), so the lengths define it.
 */
const LENGTHS = "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca" +
  "d67777777777777777777777878djde6f56565666577666567655677777fbeds" +
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu";
const EOS = 256;
const LONGEST = 30;

/**
 * The code as a tree of 256-way tables, one for each byte of input. An entry is 0 (no code), a leaf
 * (`LEAF | bits << 16 | symbol`, bits being how many of the 8 belong to the code) or the offset of the next table.
 */
const LEAF = 1 << 30;
let tables: Int32Array | undefined;

function buildTables(): Int32Array {
  const entries: number[] = new Array(256).fill(0);
  let code = 0;
  for (let length = 1; length <= LONGEST; length++, code <<= 1) {
    for (let symbol = 0; symbol <= EOS; symbol++) {
      if (parseInt(LENGTHS[symbol]!, 32) !== length) continue;
      let table = 0;
      let left = length;
      for (; left > 8; left -= 8) {
        const at = table + ((code >>> (left - 8)) & 0xff);
        if (entries[at] === 0) {
          entries[at] = entries.length;
          for (let i = 0; i < 256; i++) entries.push(0);
        }
        table = entries[at]!;
      }
      const first = (code << (8 - left)) & 0xff;
      entries.fill(LEAF | (left << 16) | symbol, table + first, table + first + (1 << (8 - left)));
      code++;
    }
  }
  return Int32Array.from(entries);
}

/**
 * Decodes a Huffman-encoded string literal (RFC 7541 section 5.2) to a string of one character per octet.
 *
 * @throws Http2Error COMPRESSION_ERROR if it contains EOS, or if its padding is longer than 7 bits or not all ones.
 */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number): string {
  tables ??= buildTables();
  let text = "";
  let table = 0;
  let bits = 0; // how many of the low bits of `hold` are not used yet
  let hold = 0;
  let pending = 0; // bits of an unfinished code that lie in tables already passed
  for (let i = start; i < end; i++) {
    hold = ((hold << 8) | bytes[i]!) & 0xffff;
    bits += 8;
    while (bits >= 8) {
      const entry = tables[table + ((hold >>> (bits - 8)) & 0xff)]!;
      if ((entry & LEAF) !== 0) {
        const symbol = entry & 0xffff;
        if (symbol === EOS) throw invalid("contains the end-of-string symbol");
        text += String.fromCharCode(symbol);
        bits -= (entry >>> 16) & 0xf;
        table = 0;
        pending = 0;
      } else {
        table = entry;
        bits -= 8;
        pending += 8;
      }
    }
  }
  // What is left is less than a byte: codes that end within it, then padding.
  while (bits > 0) {
    const entry = tables[table + ((hold << (8 - bits)) & 0xff)]!;
    const used = (entry >>> 16) & 0xf;
    if ((entry & LEAF) === 0 || used > bits || (entry & 0xffff) === EOS) break;
    text += String.fromCharCode(entry & 0xffff);
    bits -= used;
    table = 0;
    pending = 0;
  }
  const mask = (1 << bits) - 1;
  if (pending + bits > 7 || (hold & mask) !== mask) throw invalid("has padding that is not the start of EOS");
  return text;
}

function invalid(what: string): Http2Error {
  return new Http2Error(ErrorCode.COMPRESSION_ERROR, `a Huffman-encoded string ${what}`);
}
