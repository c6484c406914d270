// Metadata that programs give, as header fields that can be sent.

import { Code, ConnectError } from "@connectrpc/connect";
import { isConnectionSpecific, isFieldName, isFieldValue } from "../http2/wire/header-block.ts";

/**
 * Fields that programs may not set, besides pseudo-header fields and the connection-specific ones of HTTP/1.1. They are
 * dropped from what a caller, a handler or an interceptor gives, as in grpc-java and grpc-go, and never sent: some would
 * make the peer close the connection with everyone's calls, the others state what only this side knows.
 */
const RESERVED: readonly string[] = [
  "accept-encoding",
  "content-encoding",
  "content-length",
  "content-type",
  "grpc-accept-encoding",
  "grpc-encoding",
  "grpc-message",
  "grpc-message-type",
  "grpc-status",
  "grpc-status-details-bin",
  "grpc-timeout",
  "host",
  "http2-settings",
  "te",
  "trailer",
];

/** A field's name as it is sent, and what values it may have. */
export interface FieldName {
  readonly name: string;
  readonly kind: "plain" | "binary" | "user-agent" | "reserved";
}

const REMEMBERED_NAMES = 256;
/** A longer name is checked each time rather than remembered. */
const REMEMBERED_NAME_LENGTH = 128;

/** The names of fields in one direction: which are sent, and how. */
export class FieldNames {
  readonly #reserved: ReadonlySet<string>;
  /** Names checked before, as programs spelled them: any program has few, and checking is not free. */
  readonly #known = new Map<string, FieldName>();

  constructor(reserved: readonly string[]) {
    this.#reserved = new Set(reserved);
  }

  /** @throws ConnectError Internal for a name that is invalid in a header */
  get(spelled: unknown): FieldName {
    return this.#known.get(spelled as string) ?? this.#check(spelled);
  }

  #check(spelled: unknown): FieldName {
    const name = String(spelled).toLowerCase();
    if (!name.startsWith(":") && !isFieldName(name)) {
      const shown = JSON.stringify(name.slice(0, 100));
      throw new ConnectError(`${shown} is not a header field name: use letters, digits, "-", "_", "."`, Code.Internal);
    }
    const found: FieldName = { name, kind: this.#kindOf(name) };
    if (typeof spelled === "string" && spelled.length <= REMEMBERED_NAME_LENGTH) {
      if (this.#known.size >= REMEMBERED_NAMES) this.#known.clear();
      this.#known.set(spelled, found);
    }
    return found;
  }

  #kindOf(name: string): FieldName["kind"] {
    if (name.startsWith(":") || this.#reserved.has(name) || isConnectionSpecific(name)) return "reserved";
    if (name === "user-agent") return "user-agent";
    return name.endsWith("-bin") ? "binary" : "plain";
  }
}

/** The names in requests. */
export const REQUEST_FIELDS: FieldNames = new FieldNames(RESERVED);
/** The names in response headers and trailers. */
export const RESPONSE_FIELDS: FieldNames = new FieldNames([...RESERVED, "user-agent"]);

/**
 * The fields of a program's metadata as name, value, name, value …, without reserved ones: names in lower case, values
 * without white space around them. A caller's `user-agent` comes first: it replaces the usual one.
 *
 * @throws ConnectError Internal for a name or value that is invalid in a header
 */
export function metadataFields(header: HeadersInit, names: FieldNames): string[] {
  const fields: string[] = [];
  if (header instanceof Headers) {
    header.forEach((value, name) => add(fields, names.get(name), value));
  } else if (Array.isArray(header) || Symbol.iterator in header) {
    for (const pair of header as Iterable<[string, string]>) add(fields, names.get(pair[0]), pair[1]);
  } else {
    const record = header as Record<string, string>;
    for (const name in record) if (Object.hasOwn(record, name)) add(fields, names.get(name), record[name]!);
  }
  return fields;
}

function add(fields: string[], { name, kind }: FieldName, value: string): void {
  if (kind === "reserved") return;
  if (typeof value !== "string" || !isFieldValue(value)) value = repaired(name, value);
  if (kind === "binary" && !isBase64(value)) {
    throw unfit(name, "it is not base64, as values of -bin fields must be: use encodeBinaryHeader");
  }
  if (kind !== "user-agent") fields.push(name, value);
  else if (fields[0] === name) fields[1] = value;
  else fields.unshift(name, value);
}

/**
 * For values that are not valid as they are: the text that `Headers` would make of any value, without white space
 * around it.
 */
function repaired(name: string, value: unknown): string {
  const text = String(value).replace(/^[\t\n\r ]+/, "");
  let end = text.length;
  while (end > 0 && "\t\n\r ".includes(text[end - 1]!)) end--;
  const trimmed = text.slice(0, end);
  if (isFieldValue(trimmed)) return trimmed;
  throw unfit(
    name,
    "it contains a control character, a line break or a character above U+00FF: encode it in a -bin field",
  );
}

/** The value is not shown: it may be a secret. */
function unfit(name: string, why: string): ConnectError {
  return new ConnectError(`the value of the header field "${name.slice(0, 100)}" can't be sent: ${why}`, Code.Internal);
}

/**
 * Values of one name may be joined by commas (gRPC's PROTOCOL-HTTP2, "Custom-Metadata"), and padding may be omitted.
 */
function isBase64(values: string): boolean {
  // Spaces are trimmed separately: an expression that skips them at both ends takes quadratic time where it fails.
  if (!/^[A-Za-z0-9+/=, ]*$/.test(values)) return false;
  for (const value of values.split(",")) {
    const [, digits, padding] = /^([A-Za-z0-9+/]*)(={0,2})$/.exec(value.trim()) ?? [];
    if (digits === undefined || digits.length % 4 === 1) return false;
    if (padding !== "" && (digits.length + padding!.length) % 4 !== 0) return false;
  }
  return true;
}
