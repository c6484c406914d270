import { shownText } from "../../shown-text.ts";
import type { Field } from "./hpack-table.ts";

/**
 * A received header section, decoded and checked against RFC 9113 section 8. Consecutive equal blocks share one object,
 * so nothing may change it.
 */
export class HeaderBlock {
  /** Name, value, name, value …, without pseudo-header fields. */
  readonly fields: string[] = [];
  /** `:status`, or 0 in trailers and requests. */
  status = 0;
  // A request's pseudo-header fields; empty in trailers and responses.
  method = "";
  path = "";
  scheme = "";
  authority = "";
  /** `content-length`, or -1. */
  contentLength = -1;
  /** Why the section is malformed (section 8.1.1), if it is. */
  malformed: string | undefined = undefined;
  /** Larger than SETTINGS_MAX_HEADER_LIST_SIZE allows: `fields` is empty. */
  tooLarge = false;
  /** Its size as RFC 7541 section 4.1 counts it. */
  bytes = 0;
  /** What the layer above derived from it; kept here because equal blocks share an object. */
  memo: unknown = undefined;

  add(field: ReceivedField, maxBytes: number): void {
    this.bytes += field.size;
    if (this.bytes > maxBytes) {
      // A block may name a field of the table in each of its bytes: those that aren't kept must cost next to nothing.
      if (!this.tooLarge) this.fields.length = 0;
      this.tooLarge = true;
      return;
    }
    const { name, value, kind } = field;
    if (kind === "plain") {
      this.fields.push(name, value);
    } else if (kind === "status") {
      // Section 8.3: pseudo-header fields come first and once.
      if (this.status !== 0 || this.fields.length > 0) this.malformed ??= ":status appears twice or after other fields";
      this.status = Number(value);
    } else if (kind === "length") {
      const length = Number(value);
      if (this.contentLength >= 0 && this.contentLength !== length) {
        this.malformed ??= "conflicting content-length values";
      }
      this.contentLength = length;
      this.fields.push(name, value);
    } else if (kind === "malformed") {
      this.malformed ??= `field "${shownText(name, 100)}" is not allowed`;
    } else {
      if (this[kind] !== "" || this.fields.length > 0) this.malformed ??= `${name} appears twice or after other fields`;
      this[kind] = value;
    }
  }

  /** The first value of a field. */
  get(name: string): string | undefined {
    const { fields } = this;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
    return undefined;
  }
}

/** Decides the kind of a field: requests have other pseudo-header fields than responses. */
export type KindOf = (name: string, value: string) => ReceivedField["kind"];

/** A field and what kind it is, determined once when it is decoded. */
export interface ReceivedField extends Field {
  readonly kind: "plain" | "status" | "length" | "malformed" | RequestPseudo;
}

type RequestPseudo = "method" | "path" | "scheme" | "authority";

// RFC 9110 section 5.6.2 (token), without the upper case that RFC 9113 section 8.2 forbids.
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
// RFC 9113 section 8.2.1 and RFC 9110 section 5.5: no control characters, no white space at either end.
const VALUE = /^(?![\t ])[\t\x20-\x7e\x80-\xff]*$/;
/** RFC 9113 section 8.2.2: the connection-specific fields of HTTP/1.1. */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** Classifies a field; by default one of a response. */
export function receivedField(entry: Field, kindOf: KindOf = responseKind): ReceivedField {
  const { name } = entry;
  // RFC 9113 section 8.2.1 forbids white space around a value. But gRPC allows spaces in a `grpc-message`, and
  // grpc-go's servers send them unencoded: that is no reason to lose a status. RFC 9110 section 5.5 would strip them
  // anyway.
  const value = name.startsWith(":") ? entry.value : withoutWhiteSpaceAround(entry.value);
  return { ...entry, value, kind: kindOf(name, value) };
}

/** Not a regular expression: one that matches white space at the end takes quadratic time on white space elsewhere. */
function withoutWhiteSpaceAround(value: string): string {
  let start = 0, end = value.length;
  while (start < end && isWhiteSpace(value.charCodeAt(start))) start++;
  while (end > start && isWhiteSpace(value.charCodeAt(end - 1))) end--;
  return end - start === value.length ? value : value.slice(start, end);
}

function isWhiteSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** The kind of a field of a response. */
export const responseKind: KindOf = (name, value) => {
  // Values above 599 mean nothing (RFC 9110 section 15), which the layer above reports.
  if (name === ":status") return /^[1-9][0-9][0-9]$/.test(value) ? "status" : "malformed";
  if (!isFieldName(name) || !isFieldValue(value) || isConnectionSpecific(name)) return "malformed";
  if (name === "content-length") return /^[0-9]{1,15}$/.test(value) ? "length" : "malformed";
  return "plain";
};

/** Whether a name is valid in HTTP/2: a token in lower case. */
export function isFieldName(name: string): boolean {
  return NAME.test(name);
}

/** Whether a value is valid in a field: one character per octet, no control characters, no white space around it. */
export function isFieldValue(value: string): boolean {
  return VALUE.test(value) && !/[\t ]$/.test(value);
}

/** Whether a field is specific to HTTP/1.1 connections and must not be sent. */
export function isConnectionSpecific(name: string): boolean {
  return CONNECTION_SPECIFIC.has(name);
}
