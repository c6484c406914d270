/** The default deadline of {@link eventually}: long, as it is only reached when the test fails. */
const DEADLINE_MS = 30_000;
/** The pause between two probes: the longer, the longer a probe takes, as other tests need the machine meanwhile. */
const LEAST_PAUSE_MS = 10, MOST_PAUSE_MS = 250;

/**
 * Waits until `probe` neither throws nor gives `false` or `undefined`, and returns what it gave. Throws what the probe
 * threw last, or says what was waited for, once `timeoutMs` (default 30 s) have passed.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs: number = DEADLINE_MS,
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const startMs = performance.now();
    let failure: unknown;
    try {
      const value = await probe();
      if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>;
    } catch (error) {
      failure = error;
    }
    const nowMs = performance.now();
    if (nowMs >= deadline) {
      throw new Error(`${what}: not within ${timeoutMs} ms`, failure === undefined ? {} : { cause: failure });
    }
    const pauseMs = Math.min(Math.max(LEAST_PAUSE_MS, 2 * (nowMs - startMs)), MOST_PAUSE_MS);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
