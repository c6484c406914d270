// What servers write down about the calls that they process: one line each, in a file that outlives them.
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

/** The server's side. A line is in the kernel's hands before the call goes on, so that a SIGKILL can't lose it. */
export class LedgerWriter {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  /** A call with this id is being processed. */
  processed(id: string): void {
    writeSync(this.#file, `${id}\n`);
  }

  /** Something else happened that the scenario wants to know of. */
  event(text: string): void {
    writeSync(this.#file, `!${text}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The scenario's side: the ledgers of all servers together. */
export class Ledger {
  readonly #times = new Map<string, number>();
  readonly events: string[] = [];

  constructor(paths: readonly string[]) {
    for (const path of paths) {
      for (const line of readFileSync(path, "utf8").split("\n")) {
        if (line.startsWith("!")) this.events.push(line.slice(1));
        else if (line !== "") this.#times.set(line, this.times(line) + 1);
      }
    }
  }

  /** How often a call was processed. */
  times(id: string): number {
    return this.#times.get(id) ?? 0;
  }

  /** How often something happened. */
  count(event: string): number {
    return this.events.filter((text) => text === event).length;
  }
}
