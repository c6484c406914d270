/** What has been counted so far. */
export interface Counts {
  readonly calls: number;
  readonly errors: number;
}

/** Per second, since the sample before. */
export interface Rates {
  readonly callsPerSecond: number;
  readonly errorsPerSecond: number;
}

/** Rates from counters that only grow, by name. */
export class RateMeter {
  #before = new Map<string, Counts>();
  #beforeMs: number | undefined;

  /** The rates since the last time; undefined for what was not there then, or began to count anew. */
  rates(counts: ReadonlyMap<string, Counts>, nowMs: number): (name: string) => Rates | undefined {
    const before = this.#before, seconds = this.#beforeMs === undefined ? 0 : (nowMs - this.#beforeMs) / 1_000;
    this.#before = new Map(counts);
    this.#beforeMs = nowMs;
    return (name) => {
      const then = before.get(name), now = counts.get(name);
      if (then === undefined || now === undefined || seconds <= 0 || now.calls < then.calls) return undefined;
      return {
        callsPerSecond: (now.calls - then.calls) / seconds,
        errorsPerSecond: Math.max(0, now.errors - then.errors) / seconds,
      };
    };
  }
}
