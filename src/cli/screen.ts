import type { Sink } from "./io.ts";

/** Keeps what is written, for an output like another. */
export class Captured implements Sink {
  text = "";
  readonly isTTY: boolean;
  readonly columns: number | undefined;

  constructor({ isTTY, columns }: Sink) {
    this.isTTY = isTTY;
    this.columns = columns;
  }

  write(text: string): void {
    this.text += text;
  }
}

/** Draws text over what was drawn before, on a terminal. */
export class Screen {
  readonly #sink: Sink;
  #drawn = false;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Replaces what is shown; lines that the terminal has no room for are left out. */
  draw(text: string): void {
    const { rows = 24 } = this.#sink, lines = text.replace(/\n$/, "").split("\n");
    const room = Math.max(2, rows - 1);
    const shown = lines.length <= room ? lines : [...lines.slice(0, room - 1), `and ${lines.length - room + 1} more`];
    // Clears the screen once, then each line as it is drawn, which doesn't flicker.
    const begin = this.#drawn ? "\x1b[H" : "\x1b[?25l\x1b[2J\x1b[H";
    this.#sink.write(`${begin}${shown.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
    this.#drawn = true;
  }

  /** Leaves what is shown, and shows the cursor again. */
  end(): void {
    if (this.#drawn) this.#sink.write("\x1b[?25h");
  }
}
