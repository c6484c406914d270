// HPACK's static and dynamic tables (RFC 7541 section 2.3).

/** One header field with its size as RFC 7541 section 4.1 counts it. */
export interface Field {
  readonly name: string;
  readonly value: string;
  readonly size: number;
}

/** What section 4.1 adds to the lengths of name and value. */
export const FIELD_OVERHEAD = 32;

/** RFC 7541 Appendix A, from index 1 on: the name, and after a space the value. */
const STATIC = ":authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|" +
  ":status 204|:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|" +
  "accept-encoding gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|" +
  "authorization|cache-control|content-disposition|content-encoding|content-language|content-length|" +
  "content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match|" +
  "if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|" +
  "proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|" +
  "strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate";

/** RFC 7541 Appendix A; index 0 is not used. */
export const STATIC_TABLE: readonly Field[] = `|${STATIC}`.split("|").map((entry) => {
  const [name, value] = /^(\S*) ?(.*)$/.exec(entry)!.slice(1);
  return field(name!, value!);
});

/** The first index of the dynamic table (RFC 7541 section 2.3.3). */
export const FIRST_DYNAMIC_INDEX: number = STATIC_TABLE.length;

/** Makes a field with its size. */
export function field(name: string, value: string): Field {
  return { name, value, size: name.length + value.length + FIELD_OVERHEAD };
}

/**
 * A dynamic table (RFC 7541 section 2.3.2): first in, first out, bounded in bytes. Entries are kept oldest first, so
 * that adding one is a push; the front is trimmed now and then.
 */
export class DynamicTable<F extends Field> {
  #entries: (F | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  #maxBytes: number;
  /** Counts additions and evictions: while it is unchanged, an encoded block keeps its meaning. */
  generation = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get length(): number {
    return this.#entries.length - this.#first;
  }

  /** The entry at an index; 0 is the newest. */
  at(index: number): F | undefined {
    return index < this.length ? this.#entries[this.#entries.length - 1 - index] : undefined;
  }

  /** Section 4.4: evicts until the entry fits; one that is larger than the table leaves it empty. */
  add(entry: F): void {
    this.generation++;
    this.#evict(Math.max(0, this.#maxBytes - entry.size));
    if (entry.size > this.#maxBytes) return;
    this.#entries.push(entry);
    this.#bytes += entry.size;
  }

  /** Section 4.3: evicts what no longer fits. */
  resize(maxBytes: number): void {
    this.generation++;
    this.#maxBytes = maxBytes;
    this.#evict(maxBytes);
  }

  #evict(toBytes: number): void {
    while (this.#bytes > toBytes) {
      this.#bytes -= this.#entries[this.#first]!.size;
      this.#entries[this.#first++] = undefined;
    }
    if (this.#first > 32 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }
}
