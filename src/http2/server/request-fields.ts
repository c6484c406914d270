// The pseudo-header fields of requests (RFC 9113 section 8.3.1).

import { type HeaderBlock, isFieldName, isFieldValue, type KindOf, responseKind } from "../wire/header-block.ts";

/** The kind of a field of a request. */
export const requestKind: KindOf = (name, value) => {
  switch (name) {
    case ":method":
      return isFieldName(value.toLowerCase()) ? "method" : "malformed";
    case ":path":
      return isFieldValue(value) ? "path" : "malformed";
    case ":scheme":
      return isFieldValue(value) ? "scheme" : "malformed";
    case ":authority":
      return isFieldValue(value) ? "authority" : "malformed";
    case ":status":
      return "malformed";
    case "te": // Section 8.2.2
      return value === "trailers" ? "plain" : "malformed";
    default:
      return responseKind(name, value);
  }
};

/** Whether a section has pseudo-header fields, which trailers must not have. */
export function hasPseudo({ method, path, scheme, authority }: HeaderBlock): boolean {
  return method !== "" || path !== "" || scheme !== "" || authority !== "";
}

/** What a request lacks, if it is not malformed otherwise. CONNECT has neither scheme nor path. */
export function requestFault({ malformed, method, path, scheme }: HeaderBlock): string | undefined {
  if (malformed !== undefined) return malformed;
  if (method === "") return "it has no :method";
  if (method === "CONNECT" || (path !== "" && scheme !== "")) return undefined;
  return path === "" ? "it has no :path" : "it has no :scheme";
}
