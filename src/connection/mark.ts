import { inCauses } from "./causes.ts";

/**
 * How an attempt ended, and so whether it may be retried:
 *
 * - `answered`: the server replied, with whatever result;
 * - `not-sent`: the request was never sent, so it is safe to try elsewhere;
 * - `refused`: the server says that it did not process it (REFUSED_STREAM, a GOAWAY with a smaller stream id), so it is
 *   safe to try elsewhere;
 * - `maybe-processed`: unknown; safe to retry only if the method is idempotent.
 */
export type AttemptEnd = "answered" | "not-sent" | "refused" | "maybe-processed";

const ENDS: readonly AttemptEnd[] = ["answered", "not-sent", "refused", "maybe-processed"];

const marks = new WeakMap<object, AttemptEnd>();

/**
 * Records on an error how the attempt that failed with it ended, and returns the error. Links call it; the balancer
 * reads the mark, even if the error is the cause of another.
 *
 * @throws TypeError if `error` is not an object, or `end` is not one of the four.
 */
export function markAttempt<E extends object>(error: E, end: AttemptEnd): E {
  if (typeof error !== "object" || error === null) {
    throw new TypeError(`markAttempt takes an error object, not ${error === null ? "null" : typeof error}`);
  }
  if (!ENDS.includes(end)) throw new TypeError(`attempt end "${String(end)}": expected ${ENDS.join(", ")}`);
  marks.set(error, end);
  return error;
}

/** The mark on an error or on one of its causes; the outermost wins. */
export function readMark(error: unknown): AttemptEnd | undefined {
  return inCauses(error, (e) => marks.get(e));
}
