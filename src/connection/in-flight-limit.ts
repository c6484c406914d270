/** Limits how many attempts are in flight on a transport's connections (gRFC A32's circuit breaking). */
export class InFlightLimit {
  readonly #perEndpoint: number;
  readonly #total: number;
  /** On all connections, including those that were removed from the set. */
  #inFlight = 0;

  /** Infinity: no limit. */
  constructor(perEndpoint: number, total: number) {
    this.#perEndpoint = perEndpoint;
    this.#total = total;
  }

  began(): void {
    this.#inFlight++;
  }

  ended(): void {
    this.#inFlight--;
  }

  /** Whether a connection with so many attempts in flight gets no more. */
  reached(inFlight: number): boolean {
    return inFlight >= this.#perEndpoint || this.#inFlight >= this.#total;
  }

  /** Why calls fail. */
  describe(): string {
    if (this.#inFlight >= this.#total) return `${this.#inFlight} calls are in flight, as many as maxInFlight allows`;
    const calls = this.#perEndpoint === 1 ? "1 call" : `${this.#perEndpoint} calls`;
    return `every endpoint that could take the call has ${calls} in flight, as many as maxInFlightPerEndpoint allows`;
  }
}

/** Undefined if neither option limits anything. */
export function inFlightLimit(perEndpoint: number = Infinity, total: number = Infinity): InFlightLimit | undefined {
  return perEndpoint === Infinity && total === Infinity ? undefined : new InFlightLimit(perEndpoint, total);
}
