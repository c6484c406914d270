import { Code, ConnectError } from "@connectrpc/connect";
import { isConnectionSpecific, isFieldName, isFieldValue } from "../http2/header-block.ts";
import { protocolFields } from "./method.ts";
import type { ResolvedGrpcOptions } from "./options.ts";

/** Fields of the protocol: a caller who sets one of them gets a header section made field by field. */
const PROTOCOL: ReadonlySet<string> = new Set([
  "content-type",
  "te",
  "user-agent",
  "grpc-timeout",
  "grpc-encoding",
  "grpc-accept-encoding",
  "host",
]);

/** Names that were found good before, as the caller spelled them: few in any program, and the check is not free. */
const goodNames = new Map<string, string>();
const REMEMBERED_NAMES = 256;

/**
 * The fields of a caller's metadata as name, value, name, value …; undefined if it touches fields of the protocol, or is
 * anything but plain pairs: then {@link requestHeaders} makes the whole section.
 *
 * @throws TypeError for a name or value that can't stand in a header
 */
export function metadataFields(header: HeadersInit): string[] | undefined {
  const fields: string[] = [];
  if (header instanceof Headers) {
    let plain = true;
    header.forEach((value, name) => {
      if (plain) plain = add(fields, name, value);
    });
    return plain ? fields : undefined;
  }
  if (Array.isArray(header) || Symbol.iterator in header) {
    for (const pair of header as Iterable<[string, string]>) if (!add(fields, pair[0], pair[1])) return undefined;
    return fields;
  }
  const record = header as Record<string, string>;
  for (const name in record) {
    if (Object.hasOwn(record, name) && !add(fields, name, record[name]!)) return undefined;
  }
  return fields;
}

function add(fields: string[], name: string, value: string): boolean {
  const good = goodNames.get(name) ?? goodName(name);
  // Headers itself judges, trims and refuses whatever is not plainly good.
  if (good === undefined || typeof value !== "string" || !isFieldValue(value)) return false;
  fields.push(good, value);
  return true;
}

function goodName(name: string): string | undefined {
  if (typeof name !== "string") return undefined;
  const lower = name.toLowerCase();
  if (!isFieldName(lower) || PROTOCOL.has(lower) || isConnectionSpecific(lower)) return undefined;
  if (goodNames.size >= REMEMBERED_NAMES) goodNames.clear();
  goodNames.set(name, lower);
  return lower;
}

/** The whole header section of a request, as interceptors see and change it. */
export function requestHeaders(
  options: ResolvedGrpcOptions,
  timeoutMs: number | undefined,
  header: HeadersInit | undefined,
): Headers {
  const headers = new Headers(header ?? {});
  const fields = protocolFields(options);
  for (let i = 0; i < fields.length; i += 2) {
    // A caller may name its own program.
    if (fields[i] !== "user-agent" || !headers.has("user-agent")) headers.set(fields[i]!, fields[i + 1]!);
  }
  if (timeoutMs !== undefined) headers.set("grpc-timeout", timeoutField(timeoutMs));
  return headers;
}

/**
 * Fields of a whole header section, ready to be sent.
 *
 * @throws ConnectError Internal for fields that HTTP/2 forbids (RFC 9113 section 8.2.2)
 */
export function sectionFields(headers: Headers): string[] {
  const fields: string[] = [];
  headers.forEach((value, name) => {
    if (isConnectionSpecific(name)) {
      throw new ConnectError(`the header field "${name}" belongs to HTTP/1.1 and can't be sent`, Code.Internal);
    }
    // `:authority` says it.
    if (name !== "host") fields.push(name, value);
  });
  return fields;
}

/** gRPC's TimeoutValue has at most 8 digits; what is longer in milliseconds is said in seconds, rounded up. */
export function timeoutField(timeoutMs: number): string {
  const ms = Math.ceil(timeoutMs);
  return ms < 100_000_000 ? `${ms}m` : `${Math.min(99_999_999, Math.ceil(ms / 1000))}S`;
}
