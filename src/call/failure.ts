import { Code, ConnectError } from "@connectrpc/connect";
import { type AttemptEnd, readMark } from "../connection/mark.ts";
import { isNoted } from "../connection/note.ts";
import { shownTextOf } from "../error-text.ts";
import type { FailedAttempt } from "./failed-attempts.ts";

/** Describes how a call's last attempt ended. */
export function lastAttemptText(attempts: readonly FailedAttempt[]): string {
  const { address, end, error } = attempts.at(-1)!;
  const which = attempts.length === 1 ? "the attempt" : `the last of ${attempts.length} attempts`;
  const how = end === "maybe-processed" ? "failed" : end === "refused" ? "was refused" : "was not sent";
  const why = endedConnection(error) ? "; no other server is tried, as the call would end that connection, too" : "";
  return `${which}, on ${address}, ${how}: ${shownTextOf(error)}${why}`;
}

/** Whether an attempt failed because it made the server end the connection. */
export function endedConnection(error: unknown): boolean {
  return codeOf(error) === Code.Unavailable && isNoted(error, "final");
}

/** Collects the errors of a call's attempts, as the cause of the error the caller sees. */
export function attemptsCause(attempts: readonly FailedAttempt[]): AggregateError {
  const list = attempts.map(({ address, end }, i) => `${i + 1}. ${address} ${end}`).join(", ");
  return new AggregateError(attempts.map(({ error }) => error), `attempts: ${list}`);
}

/**
 * The error for a call that failed for a reason other than the server's answer. Its cause is the attempts' errors, or
 * `cause` if there were no attempts.
 */
export function callFailure(
  text: string,
  attempts: readonly FailedAttempt[],
  code: Code,
  cause?: unknown,
): ConnectError {
  const last = attempts.at(-1);
  if (last === undefined) return new ConnectError(text, code, undefined, undefined, cause);
  const metadata = last.error instanceof ConnectError ? last.error.metadata : undefined;
  return new ConnectError(text, code, metadata, undefined, attemptsCause(attempts));
}

/** The Connect code of an error. */
export function codeOf(error: unknown): Code {
  return error instanceof ConnectError ? error.code : Code.Unknown;
}

/** The error of calls after `close()`. */
export function transportClosed(): ConnectError {
  return new ConnectError("the transport is closed", Code.FailedPrecondition);
}

/**
 * How an attempt ended: as its link marked it; otherwise `answered` for an error the server sent, and `maybe-processed`
 * for any other.
 */
export function endOf(error: unknown): AttemptEnd {
  const mark = readMark(error);
  if (mark !== undefined) return mark;
  return error instanceof ConnectError && error.isWireError ? "answered" : "maybe-processed";
}
