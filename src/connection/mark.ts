/**
 * How an attempt ended, in terms of what may be done about it:
 *
 * - `answered`: the server replied, whatever it said;
 * - `not-sent`: the request never left, so it is safe to try elsewhere;
 * - `refused`: the server says that it did nothing with it (REFUSED_STREAM, a GOAWAY with a smaller stream id), so it is
 *   safe to try elsewhere;
 * - `maybe-processed`: nobody can tell; safe to repeat only where the method is idempotent.
 */
export type AttemptEnd = "answered" | "not-sent" | "refused" | "maybe-processed";

const ENDS: readonly AttemptEnd[] = ["answered", "not-sent", "refused", "maybe-processed"];

const marks = new WeakMap<object, AttemptEnd>();

/**
 * Notes on an error how the attempt that failed with it ended, and returns the error. Links call it; the balancer reads
 * the mark, also where the error is the cause of another.
 *
 * @throws TypeError if `error` is no object, or `end` none of the four.
 */
export function markAttempt<E extends object>(error: E, end: AttemptEnd): E {
  if (typeof error !== "object" || error === null) {
    throw new TypeError(`markAttempt takes an error object, not ${error === null ? "null" : typeof error}`);
  }
  if (!ENDS.includes(end)) throw new TypeError(`attempt end "${String(end)}": expected ${ENDS.join(", ")}`);
  marks.set(error, end);
  return error;
}

/** The mark on an error or on one of its causes, the outermost first. */
export function readMark(error: unknown): AttemptEnd | undefined {
  // Bounded, because a cause chain may be a loop.
  for (let depth = 0, e = error; depth < 16 && typeof e === "object" && e !== null; depth++) {
    const mark = marks.get(e);
    if (mark !== undefined) return mark;
    e = (e as { cause?: unknown }).cause;
  }
  return undefined;
}
