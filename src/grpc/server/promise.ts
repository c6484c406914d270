/** Promises of other libraries, and of other realms, are promises too. */
export function isPromise(result: unknown): result is PromiseLike<unknown> {
  return result instanceof Promise || typeof (result as PromiseLike<unknown> | undefined | null)?.then === "function";
}
