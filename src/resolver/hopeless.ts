const hopeless = new WeakSet<Error>();

/**
 * Marks an error of a resolver as one that waiting does not fix, such as a mistake in the program: as long as no
 * endpoints are known, calls that don't wait for readiness fail at once and say why.
 */
export function markHopeless<E extends Error>(error: E): E {
  hopeless.add(error);
  return error;
}

/** Whether the error was marked by {@link markHopeless}. */
export function isHopeless(error: Error): boolean {
  return hopeless.has(error);
}
