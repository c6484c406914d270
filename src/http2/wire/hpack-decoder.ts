// HPACK decoding (RFC 7541).

import { Http2Error } from "./error.ts";
import * as ErrorCode from "./error-code.ts";
import { HeaderBlock, receivedField, responseKind } from "./header-block.ts";
import type { KindOf, ReceivedField } from "./header-block.ts";
import { DynamicTable, field, FIRST_DYNAMIC_INDEX, STATIC_TABLE } from "./hpack-table.ts";
import { huffmanDecode } from "./huffman.ts";

/** The static table, with the kinds of its fields. */
const tables = new Map<KindOf, readonly ReceivedField[]>();
/** Blocks up to this size are remembered: a server's usual response headers and trailers take 1 to 40 bytes. */
const REMEMBERED_BYTES = 64;
const REMEMBERED_BLOCKS = 4;

interface Remembered {
  readonly bytes: Uint8Array;
  readonly generation: number;
  readonly block: HeaderBlock;
}

/** RFC 7541's decoder: header blocks in, header sections out. One per connection, as it holds the dynamic table. */
export class HpackDecoder {
  readonly #table: DynamicTable<ReceivedField>;
  readonly #maxTableBytes: number;
  readonly #maxListBytes: number;
  readonly #kindOf: KindOf;
  readonly #static: readonly ReceivedField[];
  readonly #remembered: (Remembered | undefined)[] = [undefined, undefined, undefined, undefined];
  #slot = 0;
  #at = 0;

  /**
   * @param maxTableBytes SETTINGS_HEADER_TABLE_SIZE as this side announced it
   * @param maxListBytes SETTINGS_MAX_HEADER_LIST_SIZE as this side announced it
   * @param kindOf decides the kinds of fields: of those in responses, or in requests
   */
  constructor(maxTableBytes: number, maxListBytes: number, kindOf: KindOf = responseKind) {
    this.#table = new DynamicTable(maxTableBytes);
    this.#maxTableBytes = maxTableBytes;
    this.#maxListBytes = maxListBytes;
    this.#kindOf = kindOf;
    let table = tables.get(kindOf);
    if (table === undefined) tables.set(kindOf, table = STATIC_TABLE.map((entry) => receivedField(entry, kindOf)));
    this.#static = table;
  }

  /**
   * Decodes one complete header block.
   *
   * @throws Http2Error COMPRESSION_ERROR: the table then no longer matches the peer's, and the connection can't go on.
   */
  decode(bytes: Uint8Array, start: number, end: number): HeaderBlock {
    const generation = this.#table.generation;
    for (let i = 0; i < REMEMBERED_BLOCKS; i++) {
      const known = this.#remembered[i];
      if (known !== undefined && known.generation === generation && same(known.bytes, bytes, start, end)) {
        return known.block;
      }
    }
    const block = this.#decode(bytes, start, end);
    if (this.#table.generation === generation && end - start <= REMEMBERED_BYTES) {
      this.#remembered[this.#slot++ % REMEMBERED_BLOCKS] = { bytes: bytes.slice(start, end), generation, block };
    }
    return block;
  }

  #decode(bytes: Uint8Array, start: number, end: number): HeaderBlock {
    const block = new HeaderBlock();
    const maxListBytes = this.#maxListBytes;
    let mayResize = true;
    this.#at = start;
    while (this.#at < end) {
      const first = bytes[this.#at]!;
      if (first >= 0x80) { // Section 6.1: indexed field
        block.add(this.#field(this.#integer(bytes, end, 7)), maxListBytes);
      } else if (first >= 0x40) { // Section 6.2.1: literal with incremental indexing
        const entry = this.#literal(bytes, end, 6);
        this.#table.add(entry);
        block.add(entry, maxListBytes);
      } else if (first >= 0x20) { // Section 6.3: dynamic table size update
        // Section 4.2: only at the start of a block, and never above what was announced.
        if (!mayResize) throw invalid("a table size update after a field");
        const size = this.#integer(bytes, end, 5);
        if (size > this.#maxTableBytes) throw invalid(`a table size of ${size} exceeds the limit`);
        this.#table.resize(size);
        continue;
      } else { // Sections 6.2.2 and 6.2.3: literal without indexing, never indexed
        block.add(this.#literal(bytes, end, 4), maxListBytes);
      }
      mayResize = false;
    }
    return block;
  }

  /** Section 2.3.3: one address space over both tables. */
  #field(index: number): ReceivedField {
    const found = index < FIRST_DYNAMIC_INDEX ? this.#static[index] : this.#table.at(index - FIRST_DYNAMIC_INDEX);
    if (found === undefined || index === 0) throw invalid(`index ${index} is in neither table`);
    return found;
  }

  #literal(bytes: Uint8Array, end: number, prefix: number): ReceivedField {
    const index = this.#integer(bytes, end, prefix);
    const name = index === 0 ? this.#string(bytes, end) : this.#field(index).name;
    return receivedField(field(name, this.#string(bytes, end)), this.#kindOf);
  }

  /** Section 5.1, bounded: no length or index in a header block needs more than 28 bits. */
  #integer(bytes: Uint8Array, end: number, prefix: number): number {
    const mask = (1 << prefix) - 1;
    let value = bytes[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= end) throw invalid("a truncated integer");
      const byte = bytes[this.#at++]!;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw invalid("an integer that is too large");
  }

  /** Section 5.2. */
  #string(bytes: Uint8Array, end: number): string {
    if (this.#at >= end) throw invalid("a missing string");
    const huffman = (bytes[this.#at]! & 0x80) !== 0;
    const length = this.#integer(bytes, end, 7);
    const from = this.#at;
    const to = from + length;
    if (to > end) throw invalid("a string that is longer than its block");
    this.#at = to;
    return huffman ? huffmanDecode(bytes, from, to) : octets(bytes, from, to);
  }
}

/** One character per octet. (TextDecoder's "latin1" is windows-1252, which differs from 0x80 to 0x9f.) */
function octets(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

function same(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}

function invalid(why: string): Http2Error {
  return new Http2Error(ErrorCode.COMPRESSION_ERROR, `header block: ${why}`);
}
