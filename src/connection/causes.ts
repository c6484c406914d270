/** How many errors of a chain are looked at: it may be a loop. */
const MAX_DEPTH = 16;

/** Asks an error, then its cause, then the cause of that, until `read` finds something. */
export function inCauses<T>(error: unknown, read: (error: object) => T | undefined): T | undefined {
  for (let depth = 0, e = error; depth < MAX_DEPTH && typeof e === "object" && e !== null; depth++) {
    const found = read(e);
    if (found !== undefined) return found;
    e = (e as { cause?: unknown }).cause;
  }
  return undefined;
}
