/** How long ending one thing may take, in milliseconds. */
const LONGEST_MS = 30_000;

/** What a scenario started, and how each of it is ended, in the reverse order. */
export class Ends {
  readonly #ends: (() => unknown)[] = [];
  #ended = false;

  /** Runs `end` after the scenario: at once, if that took too long and was ended while this was on its way. */
  defer(end: () => unknown): void {
    if (this.#ended) void Promise.resolve().then(end).catch(() => {});
    else this.#ends.push(end);
  }

  /**
   * A scenario that took too long goes on behind its end.
   *
   * @throws Error there: nothing new may start, as nobody would end it.
   */
  checkRunning(): void {
    if (this.#ended) throw new Error("the scenario has ended");
  }

  /** Ends everything. Never rejects; `failed` is told of each end that fails or takes too long. */
  async run(failed: (why: unknown) => void): Promise<void> {
    this.#ended = true;
    for (const end of this.#ends.reverse()) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`it took over ${LONGEST_MS} ms: ${end}`)), LONGEST_MS);
      });
      await Promise.race([Promise.resolve().then(end), late]).catch(failed);
      clearTimeout(timer);
    }
  }
}
