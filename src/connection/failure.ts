/** Why a link that was lost, or drains, before it did anything counts as one that can't be opened. */
export function endedEarly(cause: Error | undefined): Error {
  return cause ?? new Error("the server ended the connection before it answered a call");
}

/** Whatever was thrown as an error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
