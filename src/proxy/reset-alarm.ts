import { type Clock, systemClock, type Timer } from "../time/clock.ts";
import { CountedPeriod, PERIOD_MS } from "../time/counted-period.ts";

/**
 * This many calls that clients cancel before a response begins are too many for servers in a period, unless more calls
 * succeed in that time.
 */
const MOST_RESETS = 50;
/** How long a call waits before a server gets it, while there are too many. */
const HOLD_MS = 100;

/** What is known of a client's connection. */
export interface ClientRecord {
  /** How many of its calls were answered, and how many ended otherwise. */
  readonly answered: number;
  readonly failed: number;
}

/**
 * Keeps clients that cancel calls as soon as they have made them (CVE-2023-44487) from having servers end the connection
 * on which the calls of all clients go: many servers do that after some hundred resets in a few seconds. Once clients
 * have cancelled too many calls, those of connections that have not shown yet that most of theirs are meant wait for a
 * moment: what is cancelled meanwhile no server ever sees.
 */
export class ResetAlarm {
  /** Whether calls may have to wait: ask {@link holds}. */
  on = false;
  readonly #clock: Clock;
  readonly #calls: { readonly succeeded: number };
  readonly #cancelled: CountedPeriod;
  #untilMs = 0;

  /** `calls` counts those of all clients. */
  constructor(clock: Clock | undefined, calls: { readonly succeeded: number }) {
    this.#clock = clock ?? systemClock;
    this.#calls = calls;
    this.#cancelled = new CountedPeriod(this.#clock);
  }

  /** A client cancelled a call whose response had not begun, or left. */
  cancelled(): void {
    const now = this.#cancelled.add(this.#calls.succeeded);
    const { count, others } = this.#cancelled;
    if (count < MOST_RESETS || count <= others) return;
    this.on = true;
    this.#untilMs = now + PERIOD_MS;
  }

  /** Whether a call of a connection has to {@link wait}. */
  holds({ answered, failed }: ClientRecord): boolean {
    if (this.#clock.now() >= this.#untilMs) this.on = false;
    return this.on && answered <= failed;
  }

  /** Calls back when a call has waited long enough. */
  wait(run: () => void): Timer {
    return this.#clock.timer(HOLD_MS, run, true);
  }
}
