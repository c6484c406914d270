/** Ejects an endpoint whose calls fail one after the other. See {@link FailureRun}. */
export interface ConsecutiveFailuresOptions {
  /** After how many failures without a success in between an endpoint is ejected, immediately. Defaults to 5. */
  readonly failures?: number;
  /** Within how many milliseconds they must happen. Defaults to 60,000. */
  readonly withinMs?: number;
  /** How long the endpoint is ejected the first time, in milliseconds. Defaults to 5,000. */
  readonly baseEjectionMs?: number;
}

/** The failures of an endpoint since its last success; Envoy's `consecutive_gateway_failure`. */
export class FailureRun {
  /** How many there were, unless there was a success since. */
  length = 0;
  #sinceMs = 0;
  /** How many calls to the endpoint had succeeded. */
  #successes = 0;
  /** How many calls had succeeded in all of the fleet when it began. */
  #successesOfAll = 0;

  /**
   * Another failure. `successes` and `successesOfAll`: how many calls have ever succeeded, to this endpoint and in all
   * of the fleet. Returns the run's length.
   */
  failed(nowMs: number, withinMs: number, successes: number, successesOfAll: number): number {
    if (this.length === 0 || successes !== this.#successes || nowMs - this.#sinceMs > withinMs) {
      this.length = 0;
      this.#sinceMs = nowMs;
      this.#successes = successes;
      this.#successesOfAll = successesOfAll;
    }
    return ++this.length;
  }

  /**
   * Whether calls to other endpoints succeeded meanwhile. If not, it may be the client that stood still while deadlines
   * passed, or a request that fails everywhere.
   */
  othersSucceeded(successesOfAll: number): boolean {
    return successesOfAll > this.#successesOfAll;
  }

  end(): void {
    this.length = 0;
  }
}
