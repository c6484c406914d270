/** What Go's encoder escapes beyond JSON: HTML's `<`, `>` and `&`, and JavaScript's line separators. */
const ESCAPED = /[<>&\u2028\u2029]/g;

/**
 * JSON as Go's `encoding/json` writes it, byte for byte. Objects stand for Go's structs: their fields keep their order.
 * Go's maps are to be wrapped in {@link goMap}.
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

/** Any JSON value, its objects as Go's maps: with their keys in the order of their bytes. */
export function goMap(value: unknown): unknown {
  // By way of JSON: `toJSON` methods, undefined fields and the like are dealt with as everywhere.
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

/** By code points, which is the order of UTF-8's bytes; JavaScript's own is by UTF-16 units. */
function byteOrder(a: string, b: string): number {
  const left = [...a], right = [...b];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = (left[i] as string).codePointAt(0)! - (right[i] as string).codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
