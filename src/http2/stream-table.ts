/** What a {@link StreamTable} needs from a stream. */
export interface Tabled {
  readonly id: number;
  /** WINDOW_UPDATEs minus bytes sent. */
  readonly sendCredit: number;
}

const FIRST_SLOTS = 16;

/**
 * The streams of a connection by id: a hash table with open addressing. In a `Map` that streams enter and leave all the
 * time, a quarter of them survive into V8's old generation, because each table that it outgrows points to the next;
 * that was a fifth of what a small call cost.
 */
export class StreamTable<S extends Tabled> implements Iterable<S> {
  /** A power of two in length, and at least half empty. */
  #slots: (S | undefined)[] = empty(FIRST_SLOTS);
  /** By how many bits a hash is shifted to give a slot's index. */
  #shift = shiftFor(FIRST_SLOTS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): S | undefined {
    return this.#slots[this.#slotOf(id)];
  }

  /** Adds a stream whose id is set and not in the table yet. */
  add(stream: S): void {
    if (2 * this.#size >= this.#slots.length) this.#grow();
    this.#slots[this.#slotOf(stream.id)] = stream;
    this.#size++;
  }

  delete(id: number): void {
    const slots = this.#slots, mask = slots.length - 1;
    let hole = this.#slotOf(id);
    if (slots[hole] === undefined) return;
    this.#size--;
    // Streams between here and the next empty slot may belong in this one: a lookup stops at the first gap.
    for (let at = hole;;) {
      at = (at + 1) & mask;
      const stream = slots[at];
      if (stream === undefined) break;
      if (((at - this.#homeOf(stream.id)) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = stream;
      hole = at;
    }
    slots[hole] = undefined;
  }

  clear(): void {
    this.#slots = empty(FIRST_SLOTS);
    this.#shift = shiftFor(FIRST_SLOTS);
    this.#size = 0;
  }

  /** A snapshot of the streams, by ascending id. */
  [Symbol.iterator](): ArrayIterator<S> {
    const streams = this.#slots.filter((stream) => stream !== undefined);
    return streams.sort((a, b) => a.id - b.id).values();
  }

  /**
   * The streams with ids above `above` and up to `upTo`, by ascending id. Looks at each of those ids or at each slot,
   * whichever are fewer, and so never at more than the ids that were used.
   */
  between(above: number, upTo: number): S[] {
    if (upTo - above > 2 * this.#slots.length) {
      return [...this].filter(({ id }) => id > above && id <= upTo);
    }
    const found: S[] = [];
    for (let id = above % 2 === 0 ? above + 1 : above + 2; id <= upTo; id += 2) {
      const stream = this.get(id);
      if (stream !== undefined) found.push(stream);
    }
    return found;
  }

  /** The largest {@link Tabled.sendCredit}, at least 0. */
  mostSendCredit(): number {
    let most = 0;
    for (const stream of this.#slots) if (stream !== undefined) most = Math.max(most, stream.sendCredit);
    return most;
  }

  /** The slot of the stream, or the empty slot where it would go. */
  #slotOf(id: number): number {
    const slots = this.#slots, mask = slots.length - 1;
    let at = this.#homeOf(id);
    for (let stream; (stream = slots[at]) !== undefined && stream.id !== id;) at = (at + 1) & mask;
    return at;
  }

  /** Multiplication by 2³² ÷ φ spreads consecutive ids far apart, which keeps probe sequences short. */
  #homeOf(id: number): number {
    return Math.imul(id, 0x9e37_79b1) >>> this.#shift;
  }

  #grow(): void {
    const streams = this.#slots;
    this.#slots = empty(2 * streams.length);
    this.#shift = shiftFor(2 * streams.length);
    for (const stream of streams) if (stream !== undefined) this.#slots[this.#slotOf(stream.id)] = stream;
  }
}

function shiftFor(slots: number): number {
  return Math.clz32(slots) + 1;
}

function empty<S>(slots: number): (S | undefined)[] {
  return new Array<S | undefined>(slots).fill(undefined);
}
