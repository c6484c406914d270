/** What happened, as lines; and a hash of it, with every byte that was sent. */
export class Trace {
  #a = 0x811c9dc5;
  #b = 0x9747b28c;
  readonly #now: () => number;
  /** The time of the last line, which often is that of the next. */
  #nowMs = -1;
  #nowText = "";
  /** The lines, if they are kept. */
  readonly lines: string[] | undefined;

  constructor(now: () => number, kept: boolean) {
    this.#now = now;
    this.lines = kept ? [] : undefined;
  }

  /** Something happened to a part of the world. */
  note(who: string, what: string): void {
    const nowMs = this.#now();
    if (nowMs !== this.#nowMs) [this.#nowMs, this.#nowText] = [nowMs, nowMs.toFixed(3)];
    const line = `${this.#nowText} ${who} ${what}`;
    for (let i = 0; i < line.length; i++) this.#add(line.charCodeAt(i));
    this.lines?.push(line);
  }

  /** Bytes arrived. They are no lines of their own. */
  bytes(bytes: Uint8Array): void {
    this.#add(Math.floor(this.#now() * 1_000));
    // Four at once: most of what a run hashes are these.
    const whole = bytes.length & ~3;
    let a = this.#a;
    for (let i = 0; i < whole; i += 4) {
      const four = bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24;
      a = Math.imul(a ^ four ^ a >>> 15, 0x01000193);
    }
    for (let i = whole; i < bytes.length; i++) a = Math.imul(a ^ bytes[i]!, 0x01000193);
    this.#a = a;
    this.#add(bytes.length);
  }

  get hash(): string {
    return [this.#a, this.#b].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #add(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x01000193);
    this.#b = Math.imul(this.#b ^ (value + (this.#b >>> 13)), 0x5bd1e995);
  }
}
