/** Something that happens at its time, unless it is cancelled. */
export class Event {
  readonly atMs: number;
  /** Events of the same time happen in the order in which they were scheduled. */
  readonly number: number;
  /** Undefined once it has happened or was cancelled. */
  callback: (() => void) | undefined;

  constructor(atMs: number, number: number, callback: () => void) {
    this.atMs = atMs;
    this.number = number;
    this.callback = callback;
  }

  before(other: Event): boolean {
    return this.atMs < other.atMs || (this.atMs === other.atMs && this.number < other.number);
  }
}

/** A binary heap of events, the next one first. */
export class EventQueue {
  readonly #events: Event[] = [];
  #scheduled = 0;
  /** How many are still to happen. */
  size = 0;

  add(atMs: number, callback: () => void): Event {
    const event = new Event(atMs, this.#scheduled++, callback);
    const events = this.#events;
    let at = events.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!event.before(events[above]!)) break;
      events[at] = events[above]!;
      at = above;
    }
    events[at] = event;
    this.size++;
    return event;
  }

  cancel(event: Event): void {
    if (event.callback === undefined) return;
    event.callback = undefined;
    this.size--;
  }

  /** The next event, which stays; undefined: there is none. */
  first(): Event | undefined {
    for (let event = this.#events[0]; event !== undefined; event = this.#events[0]) {
      if (event.callback !== undefined) return event;
      this.#removeFirst();
    }
    return undefined;
  }

  /** Removes the next event and returns what it does. */
  take(event: Event): () => void {
    const callback = event.callback!;
    this.#removeFirst();
    event.callback = undefined;
    this.size--;
    return callback;
  }

  #removeFirst(): void {
    const events = this.#events;
    const last = events.pop()!;
    const size = events.length;
    if (size === 0) return;
    let at = 0;
    for (let below = 1; below < size; below = 2 * at + 1) {
      if (below + 1 < size && events[below + 1]!.before(events[below]!)) below++;
      if (!events[below]!.before(last)) break;
      events[at] = events[below]!;
      at = below;
    }
    events[at] = last;
  }
}
