import { inCauses } from "./causes.ts";

/**
 * What a link reports about a failed attempt in addition to its mark:
 *
 * - `full`: the link had no room and sent nothing. The call waits for room as if the link had never been picked;
 * - `final`: the call would not succeed on any other connection, and could do harm there: it is never retried;
 * - `suspect`: it was in flight, with others, when a server ended the connection because of one of them: it is retried
 *   at most once, so that it can't end one connection after another.
 */
export type Note = "full" | "final" | "suspect";

const notes = new WeakMap<object, Note>();

/** Adds a note to an error and returns the error. */
export function note<E extends object>(error: E, what: Note): E {
  notes.set(error, what);
  return error;
}

/** Whether an error, or one of its causes, has the note. */
export function isNoted(error: unknown, what: Note): boolean {
  return inCauses(error, (e) => notes.get(e) === what || undefined) !== undefined;
}
