import { CallStore } from "./call-store.ts";
import type { RecordedCall } from "./recorded-call.ts";
import type { Recording } from "./recording.ts";

/** The newest calls of those that were added. */
export class CallRing {
  readonly #store: CallStore;
  /** How many were ever added. */
  #added = 0;

  constructor(size: number) {
    this.#store = new CallStore(size);
  }

  /** Returns the call's number, for `read`. */
  add(recording: Recording): number {
    this.#store.write(this.#added % this.#store.places, recording);
    return this.#added++;
  }

  /** A call by its number; undefined if newer ones have taken its place. */
  read(number: number): RecordedCall | undefined {
    const { places } = this.#store;
    return number < this.#added - places ? undefined : this.#store.read(number % places);
  }

  /** The newest calls, the newest first. */
  newest(limit: number): RecordedCall[] {
    const length = Math.min(limit, this.#added, this.#store.places);
    return Array.from({ length }, (_, i) => this.read(this.#added - 1 - i)!);
  }
}
