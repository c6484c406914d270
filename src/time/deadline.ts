import { systemClock, TIMERS_BELONG_TO_REQUESTS } from "./clock.ts";
import type { Clock, Timer } from "./clock.ts";

/** A pending deadline, as returned by {@link Deadlines.add}. */
export interface Deadline {
  /** Cancels it, so that its target is not notified. Safe to call twice, and after it was due. */
  cancel(): void;
  /** The time left, in milliseconds; 0 or less once it has passed, whether or not its target was notified. */
  leftMs(): number;
}

/** Is notified when its deadline is due. */
export interface DeadlineTarget {
  /** The deadline has passed. */
  onDeadline(): void;
}

/**
 * A peer that was sent the deadline may enforce it this many milliseconds early: its timers count from the start of its
 * event-loop turn, and in whole milliseconds.
 */
export const EARLY_MS = 5;

/** Whether deadlines keep the process alive while they are pending. */
export type DeadlineKind = "held" | "background";

/** Deadlines within this many milliseconds share a slot; a deadline fires up to this much late, never early. */
const SLOT_MS = 4;

/**
 * The deadlines of many calls on one timer, so that a call that ends in time costs no timer. The timer is set for the
 * earliest slot, is left running when that becomes empty, and keeps the process alive while any deadline is pending,
 * unless they are those of background calls.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #held: boolean;
  /** By the number of the slot. */
  readonly #slots = new Map<number, Slot>();
  #newest: Slot | undefined;
  #pending = 0;
  #timer: Timer | undefined;
  #timerSlot = Infinity;

  /** Creates a separate set of deadlines; {@link deadlinesOf} returns the shared one. */
  constructor(clock: Clock, kind: DeadlineKind = "held") {
    this.#clock = clock;
    this.#held = kind === "held";
  }

  /** How many are pending. */
  get pending(): number {
    return this.#pending;
  }

  /** Notifies `target` after `delayMs` milliseconds, unless cancelled. */
  add(delayMs: number, target: DeadlineTarget): Deadline {
    const atMs = this.#clock.now() + Math.max(0, delayMs);
    const number = Math.ceil(atMs / SLOT_MS);
    let slot = this.#newest;
    if (slot === undefined || slot.number !== number) {
      slot = this.#slots.get(number);
      if (slot === undefined) this.#slots.set(number, slot = new Slot(number));
      // An empty slot is kept while it is the newest: otherwise sequential calls would create it again and again.
      const previous = this.#newest;
      this.#newest = slot;
      if (previous !== undefined && previous.first === undefined) this.#slots.delete(previous.number);
    }
    const entry = new Entry(this, slot, target, atMs);
    this.#pending++;
    if (number < this.#timerSlot) this.#arm(number);
    else if (this.#pending === 1 && this.#held) this.#timer?.hold?.(true);
    return entry;
  }

  #arm(number: number): void {
    this.#timer?.cancel();
    this.#timerSlot = number;
    const delayMs = number * SLOT_MS - this.#clock.now();
    this.#timer = this.#clock.timer(delayMs, () => this.#due(), this.#held && this.#pending > 0);
  }

  #due(): void {
    this.#timer = undefined;
    this.#timerSlot = Infinity;
    const now = this.#clock.now() / SLOT_MS;
    let next = Infinity;
    for (const slot of [...this.#slots.values()]) {
      if (slot.number <= now) {
        this.#slots.delete(slot.number);
        if (this.#newest === slot) this.#newest = undefined;
        for (let entry = slot.first; entry !== undefined; entry = slot.first) {
          entry.cancel();
          entry.target.onDeadline();
        }
      } else if (slot.first !== undefined && slot.number < next) {
        next = slot.number;
      }
    }
    if (next < this.#timerSlot) this.#arm(next);
  }

  /** The milliseconds until a time on the clock's scale. */
  until(atMs: number): number {
    return atMs - this.#clock.now();
  }

  /** An entry left its slot. */
  removed(slot: Slot): void {
    if (slot.first === undefined && slot !== this.#newest) this.#slots.delete(slot.number);
    if (--this.#pending === 0 && this.#held) this.#timer?.hold?.(false);
  }
}

/** The entries of one slot, doubly linked so that each can be removed. */
class Slot {
  readonly number: number;
  first: Entry | undefined = undefined;

  constructor(number: number) {
    this.number = number;
  }
}

class Entry implements Deadline {
  readonly target: DeadlineTarget;
  readonly #deadlines: Deadlines;
  readonly #atMs: number;
  #slot: Slot | undefined;
  #next: Entry | undefined;
  #previous: Entry | undefined = undefined;

  constructor(deadlines: Deadlines, slot: Slot, target: DeadlineTarget, atMs: number) {
    this.target = target;
    this.#deadlines = deadlines;
    this.#atMs = atMs;
    this.#slot = slot;
    this.#next = slot.first;
    if (this.#next !== undefined) this.#next.#previous = this;
    slot.first = this;
  }

  cancel(): void {
    const slot = this.#slot;
    if (slot === undefined) return;
    this.#slot = undefined;
    if (this.#next !== undefined) this.#next.#previous = this.#previous;
    if (this.#previous !== undefined) this.#previous.#next = this.#next;
    else slot.first = this.#next;
    this.#next = this.#previous = undefined;
    this.#deadlines.removed(slot);
  }

  leftMs(): number {
    return this.#deadlines.until(this.#atMs);
  }
}

const byClock = { held: new WeakMap<Clock, Deadlines>(), background: new WeakMap<Clock, Deadlines>() };

/** The deadlines of a clock, shared by all users of the clock where timers can be shared. */
export function deadlinesOf(clock: Clock = systemClock, kind: DeadlineKind = "held"): Deadlines {
  if (TIMERS_BELONG_TO_REQUESTS) return new Deadlines(clock, kind);
  const shared = byClock[kind];
  let deadlines = shared.get(clock);
  if (deadlines === undefined) shared.set(clock, deadlines = new Deadlines(clock, kind));
  return deadlines;
}
