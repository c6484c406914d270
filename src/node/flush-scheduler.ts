import { setImmediate } from "node:timers";
import type { ScheduleFlush } from "../http2/wire/frame-writer.ts";

/**
 * How many microtasks long a burst is where a turn's end can't be told. A streaming call's headers, first message and end
 * come up to 7 apart, by way of the caller's generators and promises: that makes one write of three.
 */
const BURST_MICROTASKS = 8;

/**
 * Node and Deno read all sockets that have something before they run immediates, so the calls that several servers'
 * answers set off share their writes: a third more small calls a second over three connections. Bun's immediates come too
 * late for answers to answers (a fifth less), and workerd's are timers.
 */
const IMMEDIATES_END_TURNS = !("Bun" in globalThis) && globalThis.navigator?.userAgent !== "Cloudflare-Workers";

/** How long what was buffered may wait, in milliseconds, where a turn takes long: servers would idle meanwhile. */
const LONGEST_WAIT_MS = 1;

/** Flushes what was buffered in one turn of the event loop, for all connections together. */
export class FlushScheduler {
  readonly #now: () => number;
  readonly #atEndOfTurn: (callback: () => void) => void;
  readonly #due = new Set<() => void>();
  #sinceMs = 0;

  constructor(now: () => number, atEndOfTurn: (callback: () => void) => void) {
    this.#now = now;
    this.#atEndOfTurn = atEndOfTurn;
  }

  /**
   * Runs `flush` once when what came in together has been handled. Called again, for the same or another one, after so
   * long a wait that what is due should wait no more, it runs that at once.
   */
  schedule(flush: () => void): void {
    const due = this.#due;
    if (due.size > 0 && this.#now() - this.#sinceMs > LONGEST_WAIT_MS) this.#flush();
    if (due.size === 0) {
      this.#sinceMs = this.#now();
      this.#atEndOfTurn(this.#flush);
    }
    due.add(flush);
  }

  readonly #flush = (): void => {
    for (const flush of this.#due) {
      this.#due.delete(flush);
      flush();
    }
  };
}

const ofProcess = new FlushScheduler(
  () => performance.now(),
  IMMEDIATES_END_TURNS ? (callback) => setImmediate(callback) : afterBurst,
);

/** Schedules a connection's flush together with those of the process's other connections. */
export const scheduleFlush: ScheduleFlush = (flush) => ofProcess.schedule(flush);

function afterBurst(callback: () => void): void {
  let left = BURST_MICROTASKS;
  const count = () => {
    if (--left > 0) queueMicrotask(count);
    else callback();
  };
  queueMicrotask(count);
}
