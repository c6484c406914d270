const drops = new WeakSet<Error>();

/**
 * Marks an error that a picker returns as final: the call fails with it at once, even if it waits for readiness, and is
 * not tried again (gRPC's drop, for load shedding). The call's error has the code of a `ConnectError`, else Unavailable.
 *
 * @throws TypeError if `error` is not an Error.
 */
export function drop<E extends Error>(error: E): E {
  if (!(error instanceof Error)) throw new TypeError(`drop() takes an Error, not ${typeof error}`);
  drops.add(error);
  return error;
}

/** Whether the error was marked. */
export function isDrop(error: Error): boolean {
  return drops.has(error);
}
