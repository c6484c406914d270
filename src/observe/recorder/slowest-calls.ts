import type { Recording } from "./recording.ts";

/** The slowest calls of a period. */
class Period {
  readonly #size: number;
  readonly #recordings: Recording[] = [];
  /** The fastest of them, once there are as many as it keeps: where it is, and how slow it was. */
  #fastest = 0;
  #leastMs = -Infinity;

  constructor(size: number) {
    this.#size = size;
  }

  add(recording: Recording): void {
    const recordings = this.#recordings;
    if (recordings.length < this.#size) {
      recording.hold();
      recordings.push(recording);
      if (recordings.length === this.#size) this.#findFastest();
    } else if (recording.slownessMs > this.#leastMs) {
      recording.hold();
      recordings[this.#fastest]!.release();
      recordings[this.#fastest] = recording;
      this.#findFastest();
    }
  }

  #findFastest(): void {
    this.#leastMs = Infinity;
    this.#recordings.forEach(({ slownessMs }, i) => {
      if (slownessMs < this.#leastMs) [this.#leastMs, this.#fastest] = [slownessMs, i];
    });
  }

  clear(): void {
    this.#leastMs = -Infinity;
    for (const recording of this.#recordings.splice(0)) recording.release();
  }

  get all(): readonly Recording[] {
    return this.#recordings;
  }
}

/**
 * The slowest calls of the current period and of the one before it: of the last one to two periods. What was slow long
 * ago does not hide what is slow now.
 */
export class SlowestCalls {
  readonly #size: number;
  readonly #periodMs: number;
  #current: Period;
  #previous: Period;
  /** When the current period began. */
  #sinceMs: number | undefined = undefined;

  constructor(size: number, periodMs: number) {
    this.#size = size;
    this.#periodMs = periodMs;
    this.#current = new Period(size);
    this.#previous = new Period(size);
  }

  /** A call that ended at a time on any steady clock. */
  add(recording: Recording, nowMs: number): void {
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs >= this.#periodMs) this.#turn(nowMs);
    this.#current.add(recording);
  }

  #turn(nowMs: number): void {
    const before = this.#previous;
    if (nowMs - this.#sinceMs! >= 2 * this.#periodMs) this.#current.clear();
    before.clear();
    this.#previous = this.#current;
    this.#current = before;
    this.#sinceMs = nowMs;
  }

  /** The slowest first. */
  slowest(limit: number): Recording[] {
    const all = [...this.#current.all, ...this.#previous.all].sort((a, b) => b.slownessMs - a.slownessMs);
    return all.slice(0, Math.min(limit, this.#size));
  }
}
