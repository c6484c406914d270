// HPACK encoding (RFC 7541).

import { DynamicTable, field, FIELD_OVERHEAD, FIRST_DYNAMIC_INDEX, STATIC_TABLE } from "./hpack-table.ts";
import type { Field } from "./hpack-table.ts";

/**
 * How much of the peer's table is used at most, in bytes; HTTP/2's default, and enough for about 40 constant fields.
 */
const MAX_TABLE_BYTES = 4_096;
/** How many names of varying fields keep their last encoding. */
const REMEMBERED_LITERALS = 64;
/** A longer field is encoded each time rather than remembered. */
const REMEMBERED_LENGTH = 512;
/** The most bytes of an integer: of 32 bits. */
const MOST_INTEGER_BYTES = 6;

const NO_LITERALS: readonly Uint8Array[] = [];

/** Fields that no proxy on the way should add to a table, where an attacker could guess them (section 7.1.3). */
const SECRET: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"]);

/** Fields that many requests have in common: they go to the dynamic table, and their encoding is remembered. */
export class HeaderTemplate {
  /** Name, value, name, value …; pseudo-header fields first. */
  readonly fields: readonly string[];
  /** The size as RFC 7541 section 4.1 counts. */
  readonly bytes: number;

  constructor(fields: readonly string[]) {
    this.fields = fields;
    this.bytes = fieldListBytes(fields);
  }
}

/** The size of name, value, name, value … as RFC 7541 section 4.1 counts, which SETTINGS_MAX_HEADER_LIST_SIZE bounds. */
export function fieldListBytes(fields: readonly string[]): number {
  let bytes = 0;
  for (let i = 0; i < fields.length; i += 2) bytes += fields[i]!.length + fields[i + 1]!.length + FIELD_OVERHEAD;
  return bytes;
}

const staticIndex = new Map<string, number>();
for (let i = FIRST_DYNAMIC_INDEX - 1; i > 0; i--) {
  const { name, value } = STATIC_TABLE[i]!;
  staticIndex.set(name, i).set(`${name}\n${value}`, i);
}

interface Indexed extends Field {
  /** Its ordinal among all entries ever added; its index follows from how many came after it. */
  readonly serial: number;
}

/**
 * RFC 7541's encoder. One per connection, as it holds the dynamic table.
 *
 * It never evicts: a template's field that no longer fits is sent as a literal. So a template's encoding stays valid
 * until another template adds to the table, and the usual request costs one copy. Strings aren't Huffman-encoded:
 * constant ones are sent once per connection, and for varying ones it takes more time than the saved bytes are worth.
 */
export class HpackEncoder {
  #table: DynamicTable<Indexed> = new DynamicTable(MAX_TABLE_BYTES);
  #serial = 0;
  readonly #index = new Map<string, number>(); // "name\nvalue" → serial
  readonly #templates = new Map<HeaderTemplate, { generation: number; bytes: Uint8Array }>();
  readonly #literals = new Map<string, { value: string; bytes: Uint8Array }>();
  /** Sizes that the next block must begin with (section 4.2). */
  #sizeUpdates: number[] = [];

  /** The peer's SETTINGS_HEADER_TABLE_SIZE changed. */
  setMaxTableBytes(bytes: number): void {
    const size = Math.min(bytes, MAX_TABLE_BYTES);
    if (size === this.#table.maxBytes) return;
    // Entries are looked up by serial without asking the table, so a smaller table starts empty.
    this.#sizeUpdates = size < this.#table.maxBytes || this.#sizeUpdates[0] === 0 ? [0, size] : [size];
    if (size < this.#table.maxBytes) {
      this.#table.resize(0);
      this.#index.clear();
    }
    this.#table.resize(size);
  }

  /** The encoding of a template at the start of a block; it must be sent, as it may add to the table. */
  template(template: HeaderTemplate): Uint8Array {
    const known = this.#templates.get(template);
    if (known !== undefined && known.generation === this.#table.generation && this.#sizeUpdates.length === 0) {
      return known.bytes;
    }
    written = 0;
    for (const size of this.#sizeUpdates) integer(size, 5, 0x20);
    const plain = this.#sizeUpdates.length === 0;
    this.#sizeUpdates = [];
    const { generation } = this.#table;
    const { fields } = template;
    for (let i = 0; i < fields.length; i += 2) this.#field(fields[i]!, fields[i + 1]!);
    const bytes = block.slice(0, written);
    if (plain && generation === this.#table.generation) {
      if (this.#templates.size >= 1_000) this.#templates.clear();
      this.#templates.set(template, { generation, bytes });
    }
    return bytes;
  }

  /** The encoding of a varying field, which leaves the table unchanged (section 6.2.2; secrets: 6.2.3). */
  literal(name: string, value: string): Uint8Array {
    const known = this.#literals.get(name);
    if (known !== undefined && known.value === value) return known.bytes;
    written = 0;
    literal(name, value, 4, SECRET.has(name) ? 0x10 : 0x00);
    const bytes = block.slice(0, written);
    if (name.length + value.length <= REMEMBERED_LENGTH) {
      if (known === undefined && this.#literals.size >= REMEMBERED_LITERALS) this.#literals.clear();
      this.#literals.set(name, { value, bytes });
    }
    return bytes;
  }

  /** The encodings of varying fields: name, value, name, value … */
  literals(fields: readonly string[] | undefined): readonly Uint8Array[] {
    if (fields === undefined || fields.length === 0) return NO_LITERALS;
    const literals: Uint8Array[] = [];
    for (let i = 0; i < fields.length; i += 2) literals.push(this.literal(fields[i]!, fields[i + 1]!));
    return literals;
  }

  #field(name: string, value: string): void {
    const key = `${name}\n${value}`;
    const fixed = staticIndex.get(key);
    if (fixed !== undefined) return integer(fixed, 7, 0x80);
    const serial = this.#index.get(key);
    if (serial !== undefined) return integer(FIRST_DYNAMIC_INDEX + this.#serial - 1 - serial, 7, 0x80);
    const entry = field(name, value);
    if (this.#table.bytes + entry.size > this.#table.maxBytes) return literal(name, value, 4, 0x00);
    literal(name, value, 6, 0x40);
    this.#index.set(key, this.#serial);
    this.#table.add({ ...entry, serial: this.#serial++ });
  }
}

/** Sections 6.2.1 to 6.2.3: the name as an index where the static table has it. */
function literal(name: string, value: string, prefix: number, pattern: number): void {
  const index = staticIndex.get(name) ?? 0;
  integer(index, prefix, pattern);
  if (index === 0) string(name);
  string(value);
}

/** What is being encoded: a block, or a field. Nothing else is encoded meanwhile. */
let block = new Uint8Array(256), written = 0;

/** Section 5.1. Makes room for as many bytes as it says: they may follow. */
function integer(value: number, prefix: number, pattern: number): void {
  const before = block, bytes = written + value + MOST_INTEGER_BYTES;
  if (bytes > before.length) {
    block = new Uint8Array(2 * bytes);
    block.set(before);
  }
  const mask = (1 << prefix) - 1;
  if (value < mask) {
    block[written++] = pattern | value;
    return;
  }
  block[written++] = pattern | mask;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) block[written++] = (rest & 0x7f) | 0x80;
  block[written++] = rest;
}

/** Section 5.2: one octet per character. */
function string(text: string): void {
  integer(text.length, 7, 0x00);
  for (let i = 0; i < text.length; i++) block[written++] = text.charCodeAt(i);
}
