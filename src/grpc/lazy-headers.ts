/** What has the fields of a header section, as name, value, name, value … */
export interface Fields {
  readonly fields: readonly string[];
}

/**
 * A `Headers` that is built when it is first read: most callers never look at a response's headers and trailers, and
 * building them would cost more than the rest of a small call.
 */
export function lazyHeaders(block?: Fields): LazyHeaders {
  return new LazyHeadersImplementation(block) as unknown as LazyHeaders;
}

/** Trailers are filled in when they arrive, and then seen by everything that holds the object. */
export interface LazyHeaders extends Headers {
  fill(block: Fields | undefined): void;
  /** Whether it was built: until then it has the fields that it was given. */
  readonly built: boolean;
}

/** The fields of a header section as `Headers`. */
export function headersOf(block: Fields | undefined): Headers {
  const headers = new Headers();
  appendFields(headers, block);
  return headers;
}

function appendFields(headers: Headers, block: Fields | undefined): void {
  if (block === undefined) return;
  for (let i = 0; i < block.fields.length; i += 2) {
    const name = block.fields[i]!, value = block.fields[i + 1]!;
    // RFC 9113 section 8.2.3: cookies may come in several fields and are one list with semicolons; not every runtime's
    // Headers knows.
    if (name === "cookie" && headers.has(name)) headers.set(name, `${headers.get(name)}; ${value}`);
    else headers.append(name, value);
  }
}

/**
 * The value of a field that is there once, as every policy that reads load reports asks for it after each call; undefined
 * if only `Headers` knows.
 */
function onlyField(block: Fields | undefined, name: string): string | undefined {
  if (block === undefined) return undefined;
  let found: string | undefined;
  for (let i = 0; i < block.fields.length; i += 2) {
    if (block.fields[i] !== name) continue;
    if (found !== undefined) return undefined;
    found = block.fields[i + 1]!;
  }
  // White space around a value is not a part of it.
  return found === undefined || found.trim() !== found ? undefined : found;
}

class LazyHeadersImplementation {
  #block: Fields | undefined;
  #headers: Headers | undefined;

  constructor(block: Fields | undefined) {
    this.#block = block;
  }

  fill(block: Fields | undefined): void {
    if (this.#headers === undefined) this.#block = block;
    else appendFields(this.#headers, block);
  }

  get built(): boolean {
    return this.#headers !== undefined;
  }

  get #made(): Headers {
    return this.#headers ??= headersOf(this.#block);
  }

  append(name: string, value: string): void {
    this.#made.append(name, value);
  }
  delete(name: string): void {
    this.#made.delete(name);
  }
  get(name: string): string | null {
    const found = this.#headers === undefined ? onlyField(this.#block, name) : undefined;
    return found ?? this.#made.get(name);
  }
  getSetCookie(): string[] {
    return this.#made.getSetCookie();
  }
  has(name: string): boolean {
    return this.#made.has(name);
  }
  set(name: string, value: string): void {
    this.#made.set(name, value);
  }
  forEach(callback: (value: string, key: string, parent: Headers) => void, thisArg?: unknown): void {
    this.#made.forEach((value, key) => callback.call(thisArg, value, key, this as unknown as Headers));
  }
  keys(): IterableIterator<string> {
    return this.#made.keys();
  }
  values(): IterableIterator<string> {
    return this.#made.values();
  }
  entries(): IterableIterator<[string, string]> {
    return this.#made.entries();
  }
  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.#made.entries();
  }
  // The runtimes' own ways to print a Headers read its internals, which aren't here.
  [Symbol.for("nodejs.util.inspect.custom")](): Headers {
    return this.#made;
  }
  [Symbol.for("Deno.privateCustomInspect")](inspect: (value: unknown) => string): string {
    return inspect(this.#made);
  }
}

// `instanceof Headers` holds, as it does for what other transports return.
Object.setPrototypeOf(LazyHeadersImplementation.prototype, Headers.prototype);
