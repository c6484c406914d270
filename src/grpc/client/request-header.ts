import { metadataFields, REQUEST_FIELDS } from "../metadata.ts";
import { timeoutField } from "../timeout.ts";
import { protocolFields, USER_AGENT } from "./method.ts";
import type { HeaderSection, Method } from "./method.ts";
import type { ResolvedGrpcOptions } from "./options.ts";

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
  const fields = callerFields(header);
  if (timeoutMs !== undefined) fields.push("grpc-timeout", timeoutField(timeoutMs));
  if (hasUserAgent(fields)) return { template: pseudo, extra: sectionFields(options, fields) };
  return { template: usual.template, extra: fields };
}

/** The fields of a caller's metadata. A `user-agent` among them comes first, unless it is the usual one. */
function callerFields(header: HeadersInit): string[] {
  const fields = metadataFields(header, REQUEST_FIELDS);
  if (hasUserAgent(fields) && fields[1] === USER_AGENT) fields.splice(0, 2);
  return fields;
}

/** Whether the result of {@link callerFields} names the caller's program. */
function hasUserAgent(fields: readonly string[]): boolean {
  return fields[0] === "user-agent";
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
  const fields = header === undefined ? [] : callerFields(header);
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
