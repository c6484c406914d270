import type { Recording } from "./recording.ts";

/** The newest calls of those that were added. */
export class CallRing {
  readonly #size: number;
  readonly #recordings: Recording[] = [];
  /** Where the next one goes. */
  #next = 0;

  constructor(size: number) {
    this.#size = size;
  }

  add(recording: Recording): void {
    recording.hold();
    const oldest = this.#recordings[this.#next];
    this.#recordings[this.#next] = recording;
    this.#next = (this.#next + 1) % this.#size;
    oldest?.release();
  }

  /** The newest first. */
  newest(limit: number): Recording[] {
    const { length } = this.#recordings;
    return Array.from(
      { length: Math.min(limit, length) },
      (_, i) => this.#recordings[(this.#next - 1 - i + length) % length]!,
    );
  }
}
