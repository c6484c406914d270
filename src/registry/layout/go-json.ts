/** What Go's encoder escapes beyond JSON: HTML's `<`, `>` and `&`, and JavaScript's line separators. */
const ESCAPED = /[<>&\u2028\u2029]/g;

/**
 * Encodes JSON as Go's `encoding/json` does, byte for byte. Objects are encoded like Go's structs: their fields keep
 * their order. Wrap Go's maps in {@link goMap}.
 */
export function goJson(value: unknown): string {
  if (value instanceof GoMap) {
    const entries = [...value.entries].sort(([a], [b]) => byteOrder(a, b));
    return `{${entries.map(([key, inner]) => `${quote(key)}:${goJson(inner)}`).join(",")}}`;
  }
  if (Array.isArray(value)) return `[${value.map(goJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value).map(([key, inner]) => `${quote(key)}:${goJson(inner)}`).join(",")}}`;
  }
  return typeof value === "string" ? quote(value) : JSON.stringify(value ?? null);
}

/** Any JSON value, with its objects encoded like Go's maps: keys in byte order. */
export function goMap(value: unknown): unknown {
  // Through JSON, so that `toJSON` methods, undefined fields and the like are handled as usual.
  return wrap(JSON.parse(JSON.stringify(value) ?? "null"));
}

class GoMap {
  readonly entries: readonly (readonly [string, unknown])[];

  constructor(entries: readonly (readonly [string, unknown])[]) {
    this.entries = entries;
  }
}

function wrap(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(wrap);
  if (typeof value !== "object" || value === null) return value;
  return new GoMap(Object.entries(value).map(([key, inner]) => [key, wrap(inner)]));
}

function quote(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    ESCAPED,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** By code point, which is the byte order of UTF-8; JavaScript compares UTF-16 code units. */
function byteOrder(a: string, b: string): number {
  const left = [...a], right = [...b];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = (left[i] as string).codePointAt(0)! - (right[i] as string).codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
