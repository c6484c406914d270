import { shownText } from "../shown-text.ts";
import type { Io } from "./io.ts";

/** Nothing is said about what takes less, in milliseconds. */
const PATIENCE_MS = 1_000;
/** How often progress is said where it is no terminal, in milliseconds. */
const EVERY_MS = 5_000;

/** Says on standard error what a command is doing, once that takes more than a second. */
export class Progress {
  readonly #io: Io;
  readonly #startedMs = performance.now();
  #saidMs = -Infinity;
  #shown = false;

  constructor(io: Io) {
    this.#io = io;
  }

  /** What is being done now. On a terminal it replaces what was said before. */
  say(what: string): void {
    const now = performance.now();
    if (now - this.#startedMs < PATIENCE_MS) return;
    const { stderr } = this.#io;
    if (stderr.isTTY) {
      const text = shownText(what).slice(0, Math.max(10, (stderr.columns ?? 80) - 1));
      stderr.write(`\r\x1b[K${text}`);
      this.#shown = true;
    } else if (now - this.#saidMs >= EVERY_MS) {
      stderr.write(`connect-lb: ${shownText(what)}\n`);
      this.#saidMs = now;
    }
  }

  /** Removes what is shown on a terminal. */
  end(): void {
    if (this.#shown) this.#io.stderr.write("\r\x1b[K");
    this.#shown = false;
  }
}
