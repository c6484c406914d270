import type { Clock } from "../../time/clock.ts";

/** How long connections that make much work may be read in one turn of the event loop, together, in milliseconds. */
const TURN_MS = 2;
/** How long the whole turn may take, with the handlers that they started, before the next ones are made shorter. */
const WHOLE_TURN_MS = 8;
/** The work that is read in a turn, in small requests: at most, and at least. */
const MOST_COST = 1_024, LEAST_COST = 64;

/**
 * Shares the turns of the event loop among the connections of a server that make much work: those whose part of a turn
 * is over wait in line, and as many of them go on in the next one as its time allows. So a turn stays short however many
 * such connections there are, and the others are read in each.
 */
export class Rounds {
  /** Changes with each turn in which connections go on. */
  turn = 0;
  readonly #clock: Clock;
  readonly #nextTurn: (run: () => void) => void;
  readonly #waiting: (() => void)[] = [];
  /** Whether connections wait, and since when the turn is counted then, and its work. */
  #pending = false;
  #sinceMs = 0;
  #cost = 0;
  #mostCost = MOST_COST;

  /** `nextTurn` runs something in the event loop's next turn, which defaults to a timer of 0 ms. */
  constructor(clock: Clock, nextTurn?: (run: () => void) => void) {
    this.#clock = clock;
    this.#nextTurn = nextTurn ?? ((run) => void clock.timer(0, run, true));
  }

  /** Counts work, and returns whether no more is read in this turn, as connections wait. */
  worked(cost: number): boolean {
    this.#cost += cost;
    return this.over;
  }

  /** Whether connections wait, and what may be read in this turn was. */
  get over(): boolean {
    return this.#pending && this.#usedUp;
  }

  get #usedUp(): boolean {
    return this.#cost >= this.#mostCost || this.#clock.now() - this.#sinceMs >= TURN_MS;
  }

  /** Calls back in one of the next turns, in the order in which connections came. */
  wait(run: () => void): void {
    this.#waiting.push(run);
    if (this.#pending) return;
    this.#pending = true;
    this.#sinceMs = this.#clock.now();
    this.#cost = 0;
    this.#nextTurn(this.#play);
  }

  readonly #play = (): void => {
    this.turn++;
    const now = this.#clock.now();
    const slow = this.#waiting.length > 1 && now - this.#sinceMs > WHOLE_TURN_MS;
    this.#mostCost = slow ? Math.max(LEAST_COST, this.#mostCost / 2) : Math.min(MOST_COST, this.#mostCost * 2);
    this.#sinceMs = now;
    this.#cost = 0;
    try {
      // A connection that has to wait again does so until the next turn at least.
      for (let left = this.#waiting.length; left > 0; left--) {
        this.#waiting.shift()!();
        if (this.#usedUp) break;
      }
    } finally {
      this.#pending = this.#waiting.length > 0;
      if (this.#pending) this.#nextTurn(this.#play);
    }
  };
}
