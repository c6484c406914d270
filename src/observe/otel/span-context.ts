import type { Context, HeaderGetter, HeaderSetter, Span } from "./api.ts";

/**
 * Where a context keeps its span. `createContextKey` of `@opentelemetry/api` makes the same symbol for the same name, so
 * that several copies of that package in a program understand each other, and so does this.
 */
const SPAN_KEY = Symbol.for("OpenTelemetry Context Key SPAN");

/** A context that belongs to no API: an immutable map. */
class OwnContext implements Context {
  readonly #values: ReadonlyMap<symbol, unknown>;

  constructor(values: ReadonlyMap<symbol, unknown>) {
    this.#values = values;
  }

  getValue(key: symbol): unknown {
    return this.#values.get(key);
  }

  setValue(key: symbol, value: unknown): Context {
    return new OwnContext(new Map(this.#values).set(key, value));
  }

  deleteValue(key: symbol): Context {
    const values = new Map(this.#values);
    values.delete(key);
    return new OwnContext(values);
  }
}

/** The context without a span. */
export const ROOT: Context = new OwnContext(new Map());

/** A context with a span as the active one. */
export function withSpan(context: Context, span: Span): Context {
  return context.setValue(SPAN_KEY, span);
}

/** Writes fields into a request's headers; one that is not valid in a header is left out. */
export const headerSetter: HeaderSetter = {
  set(headers, name, value) {
    try {
      headers.set(name, value);
    } catch { /* A trace matters less than the call. */ }
  },
};

/** Reads fields of a request's headers. */
export const headerGetter: HeaderGetter = {
  keys: (headers) => [...headers.keys()],
  get: (headers, name) => {
    try {
      return headers.get(name) ?? undefined;
    } catch {
      return undefined;
    }
  },
};
