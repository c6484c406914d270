import { Code, ConnectError } from "@connectrpc/connect";
import { textOf } from "../error-text.ts";
import { markAttempt, readMark } from "./mark.ts";

/**
 * The failure of a link that was lost, or began to drain, before it answered a call: it counts as one that can't be
 * opened.
 */
export function endedEarly(cause: Error | undefined): Error {
  return cause ?? new Error("the server ended the connection before it answered a call");
}

/** What browsers say of any failure of fetch: they keep the reason from the page. */
const BROWSER = /^(Failed to fetch|NetworkError when|Load failed)/;
const HINT =
  ". A browser does not tell a page why; its console does: does the server allow the page's origin (CORS), " +
  "and does a page loaded over https call https only?";

/** A connection could not be opened, or was lost. */
export type ConnectionEnd = "not-sent" | "maybe-processed";

/**
 * The error of a call whose connection could not be opened (`not-sent`), or was lost, or where the platform does not
 * tell the two apart (`maybe-processed`). A connection without states backs off because of it.
 */
export function connectionFailed(address: string, cause: unknown, how: ConnectionEnd): ConnectError {
  const why = reasonOf(cause), hint = BROWSER.test(why) ? HINT : "";
  const metadata = cause instanceof ConnectError ? cause.metadata : undefined;
  const text = `the connection to ${address} failed: ${why}${hint}`;
  return markAttempt(new ConnectError(text, Code.Unavailable, metadata, undefined, cause), how);
}

/** An error's text with those of its causes: "fetch failed: other side closed". */
function reasonOf(error: unknown): string {
  let text = textOf(error);
  // Bounded, because a cause chain may be a loop.
  for (let depth = 0, e = error; depth < 8 && e instanceof Error; depth++, e = e.cause) {
    const more = textOf(e);
    if (!text.includes(more)) text += `: ${more}`;
  }
  return text;
}

/** Whether an attempt failed because its connection was lost, according to its link. */
export function isLost(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unavailable && readMark(error) === "maybe-processed";
}
