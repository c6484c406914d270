const drops = new WeakSet<Error>();

/**
 * Marks an error that a picker returns as final: the call fails with it immediately, even if it waits for readiness,
 * and is not retried (gRPC's drop, for load shedding). The call fails with the code of a `ConnectError`, otherwise with
 * Unavailable.
 *
 * @throws TypeError if `error` is not an Error.
 */
export function drop<E extends Error>(error: E): E {
  if (!(error instanceof Error)) throw new TypeError(`drop() takes an Error, not ${typeof error}`);
  drops.add(error);
  return error;
}

/** Whether the error was marked by {@link drop}. */
export function isDrop(error: Error): boolean {
  return drops.has(error);
}
