// Errors of sockets, in words that say what to do.

/** The error for a TLS server that did not negotiate HTTP/2. */
export const NO_HTTP2 = "the server didn't choose HTTP/2 (ALPN h2) over TLS";

/** The most frequent reason for TLS to fail. */
export const BOTH_OR_NEITHER = "is TLS on at both ends or at neither?";

/** How far a socket got: dialling, connected but still without TLS, or open. */
export type SocketProgress = "dialling" | "handshake" | "open";

/**
 * Describes a socket's error in words that say what to do. The runtimes' own texts for TLS are OpenSSL's, BoringSSL's
 * and rustls's: long, and different everywhere.
 */
export function socketError(error: Error, progress: SocketProgress): Error {
  const text = textOf(error, progress);
  return text === error.message ? error : new Error(text, { cause: error });
}

/** The error for a peer that closed the connection before it was open. */
export function closedWhileOpened(progress: SocketProgress): Error {
  return new Error(
    progress === "handshake"
      ? `the server closed the connection during the TLS handshake: ${BOTH_OR_NEITHER}`
      : "the connection was closed while it was being opened",
  );
}

function textOf(error: Error, progress: SocketProgress): string {
  const code = "code" in error ? String(error.code) : "";
  const message = error.message.trim();
  if (progress === "handshake" && (code === "ECONNRESET" || code === "EPIPE")) {
    return closedWhileOpened(progress).message;
  }
  if (!code.startsWith("ERR_SSL_")) return message;
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER") return `the server answers without TLS: ${BOTH_OR_NEITHER}`;
  const alert = alertOf(code, message);
  if (alert === "no application protocol") return NO_HTTP2;
  if (alert !== undefined) return `${meaningOf(alert)} (TLS alert: ${alert})`;
  const [, reason = message] = /error:[0-9a-f]+:[^:]*:[^:]*:([^:]+)/i.exec(message) ?? [];
  return `TLS failed: ${words(reason)}`;
}

/** The name of the alert (RFC 8446 section 6) that the server sent; undefined if this side found the fault. */
function alertOf(code: string, message: string): string | undefined {
  // rustls spells alerts in camel case; Deno gives rustls's other errors the code of some alert.
  const rustls = /^received fatal alert: (\w+)$/.exec(message);
  if (rustls !== null) return rustls[1]!.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  const openssl = /_ALERT_(\w+)$/.exec(code);
  return openssl !== null && /alert/i.test(message) ? words(openssl[1]!) : undefined;
}

function meaningOf(alert: string): string {
  switch (alert) {
    case "certificate required":
      return "the server requires a client certificate: set tls.cert and tls.key";
    // Also sent for a missing certificate: in TLS 1.2, and by older releases of Go.
    case "bad certificate":
      return "the server requires a client certificate, tls.cert and tls.key, or doesn't accept the one it got";
    case "unsupported certificate":
    case "certificate revoked":
    case "certificate expired":
    case "certificate unknown":
    case "unknown ca":
    case "access denied":
      return "the server doesn't accept the client certificate, tls.cert";
    // TLS 1.2 has no alert of its own for a missing certificate.
    case "handshake failure":
      return "the server refused the TLS handshake: it may require a client certificate, tls.cert and tls.key";
    default:
      return "the server closed the TLS session";
  }
}

/** `DECRYPTION_FAILED_OR_BAD_RECORD_MAC` as words. */
function words(name: string): string {
  return /^[A-Z0-9_]+$/.test(name) ? name.toLowerCase().replaceAll("_", " ") : name;
}
