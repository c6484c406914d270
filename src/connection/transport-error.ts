import { ConnectError } from "@connectrpc/connect";
import type { AttemptEnd } from "./mark.ts";

/** Error codes for a connection that can't be opened, never reported for an open one. */
const NEVER_OPENED: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  // undici, Node's fetch
  "UND_ERR_CONNECT_TIMEOUT",
  // earlier versions of Bun's fetch
  "ConnectionRefused",
  // TLS: a certificate is verified before the request is written.
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** Error codes for a connection that was lost, or gave no sign of life. */
const LOST: ReadonlySet<unknown> = new Set([
  "ECONNABORTED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EPIPE",
  "ETIMEDOUT",
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_STREAM_PREMATURE_CLOSE",
  // undici, Node's fetch
  "UND_ERR_SOCKET",
  // earlier versions of Bun's fetch
  "ConnectionClosed",
]);

/** reqwest's message in Deno's fetch, which has no codes: hyper failed in its "Connect" stage, before the request. */
const DENO_CONNECT = /^error sending request for url \(.*\): client error \(Connect\)/;

/**
 * What fetch says when the connection failed, by platform: the message of a TypeError, both before a response and while
 * its body is read. Browsers say the same of a server that refuses connections and of one whose CORS headers don't
 * allow the request. Some tools append the host in brackets.
 */
const FETCH_FAILED = new RegExp(`^(${
  [
    // Chromium
    "Failed to fetch",
    "network error",
    // Firefox
    "NetworkError when attempting to fetch resource\\.",
    "Error in (input|body) stream",
    // Safari
    "Load failed",
    "The network connection was lost\\.",
    "Could not connect to the server\\.",
    // Node
    "fetch failed",
    "terminated",
    // Deno
    "error reading a body from connection",
    // React Native
    "Network request failed",
  ].join("|")
})( \\(.*\\))?$`);

/** The same for workerd, where it is a plain Error. */
const WORKERD_FETCH_FAILED = /^(Network connection lost\.|internal error; reference = \w+)$/;

/**
 * Derives how an attempt ended from an error of connect-node's transports, or of fetch on Node, Bun, Deno and workerd
 * and in browsers.
 *
 * It searches the chain of causes for the runtime's error. Only errors that prove that no server processed the request
 * are `not-sent` or `refused`: a connection that was refused, a name that was not found, a certificate that was not
 * trusted; a stream reset with REFUSED_STREAM or above the last id of a GOAWAY (RFC 9113, 6.8 and 8.7). A connection
 * that was lost is `maybe-processed`, and so is one that could not be opened where fetch does not tell the two apart
 * (browsers, workerd). A timeout, a bare Connect code and any message from a server prove nothing: undefined.
 */
export function classifyTransportError(error: unknown): AttemptEnd | undefined {
  let end: AttemptEnd | undefined;
  // Bounded, because a cause chain may be a loop.
  for (let depth = 0, e = error; depth < 8 && e instanceof Error; depth++, e = e.cause) {
    if (e instanceof ConnectError) {
      // An answer may quote the server's own failures ("connect ECONNREFUSED …"), so its text is never parsed.
      if ((e as { isWireError?: boolean }).isWireError) return "answered";
      continue;
    }
    const found = classifyRuntimeError(e);
    // A cause may prove more: Node's "fetch failed" has the system's error as its cause.
    if (found !== undefined && found !== "maybe-processed") return found;
    end ??= found;
  }
  return end;
}

function classifyRuntimeError(error: Error): AttemptEnd | undefined {
  const { code, syscall, errors, message } = error as { code?: unknown; syscall?: unknown; errors?: unknown } & Error;
  if (NEVER_OPENED.has(code) || syscall === "connect" || syscall === "getaddrinfo") return "not-sent";
  // Several addresses were tried at once (RFC 8305): not sent only if every one of them failed to connect.
  if (Array.isArray(errors) && errors.length > 0) {
    const ends = errors.map((e) => e instanceof Error ? classifyRuntimeError(e) : undefined);
    if (ends.every((end) => end === "not-sent")) return "not-sent";
    return ends.some((end) => end !== undefined) ? "maybe-processed" : undefined;
  }
  switch (code) {
    case "ERR_HTTP2_INVALID_SESSION":
      return "not-sent";
    case "ERR_HTTP2_GOAWAY_SESSION":
      return "refused";
    case "ERR_HTTP2_STREAM_ERROR":
      return message.endsWith("NGHTTP2_REFUSED_STREAM") ? "refused" : undefined;
  }
  if (DENO_CONNECT.test(message)) return "not-sent";
  return LOST.has(code) || fetchFailed(error) ? "maybe-processed" : undefined;
}

/** Whether fetch threw the error: so do interceptors, and `new Headers`, whose TypeErrors have other messages. */
function fetchFailed({ name, message }: Error): boolean {
  return name === "TypeError" ? FETCH_FAILED.test(message) : WORKERD_FETCH_FAILED.test(message);
}
