import { ConnectError } from "@connectrpc/connect";
import type { AttemptEnd } from "./mark.ts";

/** Error codes for a connection that can't be opened, never reported for an open one. */
const NEVER_OPENED: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  // undici, Node's fetch
  "UND_ERR_CONNECT_TIMEOUT",
  // TLS: a certificate is verified before the request is written.
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** reqwest's message in Deno's fetch, which has no codes: hyper failed in its "Connect" stage, before the request. */
const DENO_CONNECT = /^error sending request for url \(.*\): client error \(Connect\)/;

/**
 * Derives how an attempt ended from an error of connect-node's transports, or of fetch on Node, Bun and Deno.
 *
 * It searches the chain of causes for the runtime's error. Only errors that prove that no server processed the request
 * are `not-sent` or `refused`: a connection that was refused, a name that was not found, a certificate that was not
 * trusted; a stream reset with REFUSED_STREAM or above the last id of a GOAWAY (RFC 9113, 6.8 and 8.7). A connection
 * that was lost, a timeout, a bare Connect code and any message from a server prove nothing: undefined.
 */
export function classifyTransportError(error: unknown): AttemptEnd | undefined {
  // Bounded, because a cause chain may be a loop.
  for (let depth = 0, e = error; depth < 8 && e instanceof Error; depth++, e = e.cause) {
    if (e instanceof ConnectError) {
      // An answer may quote the server's own failures ("connect ECONNREFUSED …"), so its text is never parsed.
      if ((e as { isWireError?: boolean }).isWireError) return "answered";
      continue;
    }
    const end = classifyRuntimeError(e);
    if (end !== undefined) return end;
  }
  return undefined;
}

function classifyRuntimeError(error: Error): AttemptEnd | undefined {
  const { code, syscall, errors } = error as { code?: unknown; syscall?: unknown; errors?: unknown };
  if (NEVER_OPENED.has(code) || syscall === "connect" || syscall === "getaddrinfo") return "not-sent";
  // Several addresses were tried at once (RFC 8305): not sent only if every one of them failed to connect.
  if (Array.isArray(errors) && errors.length > 0) {
    const ends = errors.map((e) => e instanceof Error ? classifyRuntimeError(e) : undefined);
    return ends.every((end) => end === "not-sent") ? "not-sent" : undefined;
  }
  switch (code) {
    case "ERR_HTTP2_INVALID_SESSION":
      return "not-sent";
    case "ERR_HTTP2_GOAWAY_SESSION":
      return "refused";
    case "ERR_HTTP2_STREAM_ERROR":
      return error.message.endsWith("NGHTTP2_REFUSED_STREAM") ? "refused" : undefined;
  }
  return DENO_CONNECT.test(error.message) ? "not-sent" : undefined;
}
