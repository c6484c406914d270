/** Opens something now; undefined if there is nothing to open any more. */
type Open = () => Promise<void> | undefined;

/**
 * Lets so many openings happen at the same time; the others wait their turn. Otherwise a client of a thousand servers
 * would dial them all at once, and time out on most.
 */
export class OpeningLimit {
  readonly #most: number;
  readonly #waiting: Open[] = [];
  #opening = 0;
  #starting = false;

  constructor(most: number) {
    this.#most = most;
  }

  /** Runs `open` as soon as its turn has come, maybe at once. Its promise says when it is over, and must not reject. */
  admit(open: Open): void {
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
      const opening = open();
      if (opening === undefined) this.#opening--;
      else {
        void opening.then(() => {
          this.#opening--;
          this.#start();
        });
      }
    }
    this.#starting = false;
  }
}
