import type { PendingCall } from "./picker-source.ts";

/**
 * Waiting calls in order of arrival. Removed calls are only skipped later, so that adding and deleting cost the same
 * however many wait (iterating a `Set` skips everything ever deleted from its front, each time).
 */
export class Line implements Iterable<PendingCall> {
  readonly #members = new Set<PendingCall>();
  #order: PendingCall[] = [];
  /** The index of the first call that may still be waiting. */
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

  /** Calls added during the iteration come last; calls deleted during it are not visited. */
  *[Symbol.iterator](): Generator<PendingCall, void> {
    for (let order = this.#order, at = this.#first; at < order.length; at++) {
      const call = order[at]!;
      if (this.#members.has(call)) yield call;
    }
  }
}
