/** How many samples are kept. */
export const SAMPLES = 60;
/** Over how many of them the rate now is. */
const RECENT = 4;

/** The last rates of something that is counted. */
export class History {
  readonly rates: Float64Array = new Float64Array(SAMPLES);
  #last: number | undefined;
  #taken = 0;

  /** Takes a counter's value, `elapsedMs` after the last one. */
  sample(counter: number, elapsedMs: number): void {
    const grown = this.#last === undefined || elapsedMs <= 0 ? 0 : Math.max(0, counter - this.#last);
    this.#last = counter;
    if (this.#taken < SAMPLES) this.#taken++;
    this.rates.copyWithin(0, 1);
    this.rates[SAMPLES - 1] = elapsedMs > 0 ? 1_000 * grown / elapsedMs : 0;
  }

  /** The rate now. */
  get rate(): number {
    return this.#mean(RECENT);
  }

  /** The rate over all samples there are: for what is rare. */
  get wholeRate(): number {
    return this.#mean(SAMPLES);
  }

  #mean(samples: number): number {
    const taken = Math.min(samples, this.#taken);
    let sum = 0;
    for (let i = SAMPLES - taken; i < SAMPLES; i++) sum += this.rates[i]!;
    return taken === 0 ? 0 : sum / taken;
  }
}
