import { Code, ConnectError } from "@connectrpc/connect";
import { type AttemptEnd, readMark } from "../connection/mark.ts";
import { isNoted } from "../connection/note.ts";
import type { Balancer } from "./balancer.ts";
import type { FailedAttempt } from "./failed-attempts.ts";

/** How many endpoints an error text lists one by one. */
const MOST_LISTED = 3;

/**
 * One line on the state of a service: how many endpoints in which states, the last errors, how stale the set is.
 * For example `simple_grpc has 2 endpoints (1 connecting, 1 transient_failure); can't connect to 10.0.0.5:8000: no answer`.
 */
export function describeBalancer(balancer: Balancer, nowMs: number): string {
  const { target, pool: { connections }, stale, knowledge, leftOut } = balancer;
  const parts: string[] = [];
  if (knowledge === "unknown") {
    parts.push(`the endpoints of ${target} are not known yet`);
  } else if (connections.length === 0) {
    const nobody = `${target} has no endpoints: has a server registered under this name?`;
    if (leftOut !== undefined) parts.push(`${target} has no endpoints that can be used: ${leftOut.message}`);
    else parts.push(target === "" ? "the resolver's list is empty" : nobody);
  } else {
    const states = new Map<string, number>();
    for (const { state } of connections) states.set(state, (states.get(state) ?? 0) + 1);
    const counts = [...states].map(([state, count]) => `${count} ${state}`).join(", ");
    const noun = connections.length === 1 ? "endpoint" : "endpoints";
    parts.push(`${target} has ${connections.length} ${noun} (${counts})`);
    const full = connections.filter((connection) => connection.full).length;
    if (full > 0) {
      parts.push(`${full} of them ${full === 1 ? "has" : "have"} as many calls in flight as its server allows`);
    }
  }
  const failing = connections.filter((connection) => connection.lastError !== undefined);
  for (const { endpoint, lastError } of failing.slice(0, MOST_LISTED)) {
    const text = textOf(lastError);
    parts.push(text.includes(endpoint.address) ? text : `${endpoint.address}: ${text}`);
  }
  if (failing.length > MOST_LISTED) parts.push(`and ${failing.length - MOST_LISTED} more that failed`);
  if (stale !== undefined) {
    parts.push(`stale for ${((nowMs - stale.sinceMs) / 1000).toFixed(1)} s: ${textOf(stale.cause)}`);
  }
  return parts.join("; ");
}

/** The text of an error without the code that Connect puts in front. */
export function textOf(error: unknown): string {
  if (error instanceof ConnectError) return error.rawMessage;
  return error instanceof Error ? error.message : String(error);
}

/** How the last of a call's attempts ended, when none follows. */
export function lastAttemptText(attempts: readonly FailedAttempt[]): string {
  const { address, end, error } = attempts.at(-1)!;
  const which = attempts.length === 1 ? "the attempt" : `the last of ${attempts.length} attempts`;
  const how = end === "maybe-processed" ? "failed" : end === "refused" ? "was refused" : "was not sent";
  const why = endedConnection(error) ? "; no other server is tried, as the call would end that connection, too" : "";
  return `${which}, on ${address}, ${how}: ${textOf(error)}${why}`;
}

/** Whether an attempt failed because it made the server end its connection. */
export function endedConnection(error: unknown): boolean {
  return codeOf(error) === Code.Unavailable && isNoted(error, "final");
}

/** Collects the errors of a call's attempts as the cause of the one that the caller sees. */
export function attemptsCause(attempts: readonly FailedAttempt[]): AggregateError {
  const list = attempts.map(({ address, end }, i) => `${i + 1}. ${address} ${end}`).join(", ");
  return new AggregateError(attempts.map(({ error }) => error), `attempts: ${list}`);
}

/**
 * What the caller sees when a call failed for another reason than the server's answer. Its cause are the attempts, or
 * `cause` where there were none.
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

/** The code of an error, as Connect sees it. */
export function codeOf(error: unknown): Code {
  return error instanceof ConnectError ? error.code : Code.Unknown;
}

/** What calls get after `close()`. */
export function transportClosed(): ConnectError {
  return new ConnectError("the transport is closed", Code.FailedPrecondition);
}

/** How an attempt ended: as its link marked it; else a server's own answer, or nobody knows. */
export function endOf(error: unknown): AttemptEnd {
  const mark = readMark(error);
  if (mark !== undefined) return mark;
  return error instanceof ConnectError && error.isWireError ? "answered" : "maybe-processed";
}
