import type { PendingCall } from "./picker-source.ts";

/**
 * Calls in the order in which they came. What leaves is passed over later, so that joining and leaving cost the same
 * however many wait (a `Set` passes over all that ever left its front, each time).
 */
export class Line implements Iterable<PendingCall> {
  readonly #members = new Set<PendingCall>();
  #order: PendingCall[] = [];
  /** Where the first that may still be here stands. */
  #first = 0;

  get size(): number {
    return this.#members.size;
  }

  has(call: PendingCall): boolean {
    return this.#members.has(call);
  }

  add(call: PendingCall): void {
    this.#members.add(call);
    this.#order.push(call);
  }

  delete(call: PendingCall): void {
    this.#members.delete(call);
    while (this.#first < this.#order.length && !this.#members.has(this.#order[this.#first]!)) this.#first++;
    if (this.#order.length < 2 * this.#members.size + 64) return;
    this.#order = [...this.#members];
    this.#first = 0;
  }

  /** Those who join meanwhile come last; those who leave are not visited. */
  *[Symbol.iterator](): Generator<PendingCall, void> {
    for (let order = this.#order, at = this.#first; at < order.length; at++) {
      const call = order[at]!;
      if (this.#members.has(call)) yield call;
    }
  }
}
