import { CallStore } from "./call-store.ts";
import type { RecordedCall } from "./recorded-call.ts";
import type { Recording } from "./recording.ts";

/** The slowest calls of a period. */
class Period {
  readonly #store: CallStore;
  readonly #slowness: Float64Array;
  #size = 0;
  /** Where the fastest of them is. */
  #fastest = 0;

  constructor(size: number) {
    this.#store = new CallStore(size);
    this.#slowness = new Float64Array(size);
  }

  add(recording: Recording): void {
    const slownessMs = recording.slownessMs, { places } = this.#store;
    // All that most calls cost.
    if (this.#size === places && !(slownessMs > this.#slowness[this.#fastest]!)) return;
    const place = this.#size < places ? this.#size++ : this.#fastest;
    this.#store.write(place, recording);
    this.#slowness[place] = slownessMs;
    if (this.#size < places) return;
    this.#fastest = 0;
    for (let i = 1; i < places; i++) if (this.#slowness[i]! < this.#slowness[this.#fastest]!) this.#fastest = i;
  }

  clear(): void {
    this.#size = this.#fastest = 0;
  }

  /** Its calls, with how slow they were. */
  all(): (readonly [number, RecordedCall])[] {
    return Array.from({ length: this.#size }, (_, i) => [this.#slowness[i]!, this.#store.read(i)] as const);
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
  #sinceMs: number | undefined;

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
    this.#previous = this.#current;
    this.#current = before;
    before.clear();
    this.#sinceMs = nowMs;
  }

  /** The slowest first. */
  slowest(limit: number): RecordedCall[] {
    const all = [...this.#current.all(), ...this.#previous.all()].sort(([a], [b]) => b - a);
    return all.slice(0, Math.min(limit, this.#size)).map(([, call]) => call);
  }
}
