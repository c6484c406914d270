import { Code, ConnectError } from "@connectrpc/connect";
import { isConnectionSpecific, isFieldName, isFieldValue } from "../../http2/wire/header-block.ts";
import { protocolFields, USER_AGENT } from "./method.ts";
import type { HeaderSection, Method } from "./method.ts";
import type { ResolvedGrpcOptions } from "./options.ts";

/**
 * Fields that callers may not set, besides pseudo-header fields and the connection-specific ones of HTTP/1.1. They are
 * dropped from what a caller or an interceptor gives, as in grpc-java and grpc-go, and never sent: some would make a
 * server close the connection with everyone's calls, the others state what only this side knows.
 */
const RESERVED: ReadonlySet<string> = new Set([
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
]);

/** A field's name as it is sent, and what values it may have. */
interface FieldName {
  readonly name: string;
  readonly kind: "plain" | "binary" | "user-agent" | "reserved";
}

/** Names checked before, as callers spelled them: any program has few, and checking is not free. */
const knownNames = new Map<string, FieldName>();
const REMEMBERED_NAMES = 256;
/** A longer name is checked each time rather than remembered. */
const REMEMBERED_NAME_LENGTH = 128;

/**
 * The fields of a caller's metadata as name, value, name, value …, without reserved ones: names in lower case, values
 * without white space around them. A `user-agent` among them comes first: it replaces the usual one.
 *
 * @throws ConnectError Internal for a name or value that is invalid in a header
 */
export function metadataFields(header: HeadersInit): string[] {
  const fields: string[] = [];
  if (header instanceof Headers) {
    header.forEach((value, name) => add(fields, name, value));
  } else if (Array.isArray(header) || Symbol.iterator in header) {
    for (const pair of header as Iterable<[string, string]>) add(fields, pair[0], pair[1]);
  } else {
    const record = header as Record<string, string>;
    for (const name in record) if (Object.hasOwn(record, name)) add(fields, name, record[name]!);
  }
  return fields;
}

/**
 * The header section of a request with a timeout and metadata.
 *
 * @throws ConnectError Internal for a name or value that is invalid in a header
 */
export function requestSection(
  method: Method,
  timeoutMs: number | undefined,
  header: HeadersInit | undefined,
): HeaderSection {
  const { options, pseudo, usual } = method;
  if (header === undefined) {
    if (timeoutMs === undefined) return usual;
    return { template: usual.template, extra: ["grpc-timeout", timeoutField(timeoutMs)] };
  }
  const fields = metadataFields(header);
  if (timeoutMs !== undefined) fields.push("grpc-timeout", timeoutField(timeoutMs));
  if (hasUserAgent(fields)) return { template: pseudo, extra: sectionFields(options, fields) };
  return { template: usual.template, extra: fields };
}

/** Whether the result of {@link metadataFields} names the caller's program. */
function hasUserAgent(fields: readonly string[]): boolean {
  return fields[0] === "user-agent";
}

function add(fields: string[], spelled: string, value: string): void {
  const { name, kind } = knownNames.get(spelled) ?? known(spelled);
  if (kind === "reserved") return;
  if (typeof value !== "string" || !isFieldValue(value)) value = repaired(name, value);
  if (kind === "binary" && !isBase64(value)) {
    throw unfit(name, "it is not base64, as values of -bin fields must be: use encodeBinaryHeader");
  }
  if (kind !== "user-agent") fields.push(name, value);
  else if (hasUserAgent(fields)) fields[1] = value;
  else if (value !== USER_AGENT) fields.unshift(name, value);
}

function known(spelled: unknown): FieldName {
  const name = String(spelled).toLowerCase();
  if (!name.startsWith(":") && !isFieldName(name)) {
    const shown = JSON.stringify(name.slice(0, 100));
    throw new ConnectError(`${shown} is not a header field name: use letters, digits, "-", "_", "."`, Code.Internal);
  }
  const kind = name.startsWith(":") || RESERVED.has(name) || isConnectionSpecific(name)
    ? "reserved"
    : name === "user-agent"
    ? "user-agent"
    : name.endsWith("-bin")
    ? "binary"
    : "plain";
  const found: FieldName = { name, kind };
  if (typeof spelled === "string" && spelled.length <= REMEMBERED_NAME_LENGTH) {
    if (knownNames.size >= REMEMBERED_NAMES) knownNames.clear();
    knownNames.set(spelled, found);
  }
  return found;
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

/**
 * The whole header section of a request, as interceptors see it. Their changes to reserved fields are not sent.
 *
 * @throws ConnectError Internal for a name or value that is invalid in a header
 */
export function requestHeaders(
  options: ResolvedGrpcOptions,
  timeoutMs: number | undefined,
  header: HeadersInit | undefined,
): Headers {
  const headers = new Headers();
  const fields = header === undefined ? [] : metadataFields(header);
  const usual = sectionFields(options, fields);
  for (let i = 0; i < usual.length; i += 2) headers.append(usual[i]!, usual[i + 1]!);
  if (timeoutMs !== undefined) headers.set("grpc-timeout", timeoutField(timeoutMs));
  return headers;
}

/** The usual fields and a caller's, whose `user-agent` replaces the usual one. */
function sectionFields(options: ResolvedGrpcOptions, fields: readonly string[]): string[] {
  const all: string[] = [];
  const usual = protocolFields(options);
  for (let i = 0; i < usual.length; i += 2) {
    if (usual[i] !== "user-agent" || !hasUserAgent(fields)) all.push(usual[i]!, usual[i + 1]!);
  }
  all.push(...fields);
  return all;
}

/** gRPC's TimeoutValue has at most 8 digits; what needs more in milliseconds is sent in seconds, rounded up. */
export function timeoutField(timeoutMs: number): string {
  const ms = Math.ceil(timeoutMs);
  return ms < 100_000_000 ? `${ms}m` : `${Math.min(99_999_999, Math.ceil(ms / 1000))}S`;
}
