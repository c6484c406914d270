/**
 * The failure of a link that was lost, or began to drain, before it answered a call: it counts as one that can't be
 * opened.
 */
export function endedEarly(cause: Error | undefined): Error {
  return cause ?? new Error("the server ended the connection before it answered a call");
}

/** Converts whatever was thrown to an Error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
