/** Starts an opening; returns undefined if it is no longer needed. */
type Open = () => Promise<void> | undefined;

/**
 * Limits how many openings are in progress at the same time; the others wait their turn. Otherwise a client of a
 * thousand servers would dial them all at once, and time out on most.
 */
export class OpeningLimit {
  readonly #most: number;
  readonly #waiting: Open[] = [];
  #opening = 0;
  #starting = false;

  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Runs `open` when its turn comes, possibly immediately. Its promise settles when the opening is over, and must not
   * reject.
   */
  admit(open: Open): void {
    this.#waiting.push(open);
    this.#start();
  }

  /**
   * Openings no longer needed are over immediately: a loop, because recursion over thousands of them would be too deep.
   */
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
