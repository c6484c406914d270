import { BOTH_OR_NEITHER, NO_HTTP2 } from "../../socket/socket-error.ts";
import type { Destination } from "./destination.ts";

const NO_ALPN =
  "a Worker's TLS can't negotiate HTTP/2 (ALPN), so the server must accept it without, or be behind a TLS " +
  "terminator";

/** What workerd says of every socket that it can't open: also of one whose TLS handshake failed. */
const WORKERS_REFUSAL = /^proxy request failed/;
const WITH_TLS = "with TLS, and with a certificate that is valid for the name?";

/** Describes to users why a connection could not be opened. */
export function whyNot(error: unknown, { scheme, negotiates }: Pick<Destination, "scheme" | "negotiates">): string {
  let message = error instanceof Error ? error.message : String(error);
  if (isReset(error)) message = "the server reset the connection before its SETTINGS";
  if (WORKERS_REFUSAL.test(message)) {
    return `${message}: does a server listen there, ${scheme === "https" ? WITH_TLS : "and may a Worker reach it?"}`;
  }
  const silent = message.endsWith(" before its SETTINGS");
  if (scheme === "https" && !negotiates) {
    return silent || message === NO_HTTP2 || message.includes("speaks HTTP/1.1") ? `${message}: ${NO_ALPN}` : message;
  }
  if (!silent) return message;
  // The server chose HTTP/2 over TLS, and with TLS 1.3 it checks the client's certificate only afterwards.
  const question = scheme === "https" ? "does it require a client certificate?" : BOTH_OR_NEITHER;
  return `${message}: is it an HTTP/2 server, and ${question}`;
}

/** Whether an open connection was reset; the errors of one that couldn't be opened contain an address. */
function isReset(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE") &&
    !("address" in error);
}
