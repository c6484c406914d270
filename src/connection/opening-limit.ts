/**
 * Lets so many openings happen at the same time; the others wait their turn. A client of a thousand servers would else
 * open a thousand connections at once, and time out on most.
 */
export class OpeningLimit {
  readonly #most: number;
  readonly #waiting: ((opened: () => void) => void)[] = [];
  #opening = 0;
  #starting = false;

  constructor(most: number) {
    this.#most = most;
  }

  /** Runs `open` as soon as its turn has come, maybe at once; it calls `opened` when that is over. */
  admit(open: (opened: () => void) => void): void {
    this.#waiting.push(open);
    this.#start();
  }

  /** Those that were removed while they waited are over at once: a loop, because thousands of them would be too deep. */
  #start(): void {
    if (this.#starting) return;
    this.#starting = true;
    while (this.#opening < this.#most) {
      const open = this.#waiting.shift();
      if (open === undefined) break;
      this.#opening++;
      open(() => {
        this.#opening--;
        this.#start();
      });
    }
    this.#starting = false;
  }
}
