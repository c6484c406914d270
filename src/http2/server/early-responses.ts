import type { Clock, Timer } from "../../time/clock.ts";

/** How long a client has to end the request itself, in milliseconds. */
const GRACE_MS = 1_000;
/** How many may wait for that at a time. */
const MOST = 1_000;

/**
 * The requests that were answered before they were complete. RST_STREAM with NO_ERROR tells a client to send no more of
 * them (RFC 9113 section 8.1). It must not come together with the response: a client of Node's that has more than 10 MB
 * left to send drops the response then, and its call would never end. Most clients end the request by themselves when
 * they see the response, so they have a moment for it.
 */
export class EarlyResponses {
  readonly #clock: Clock;
  readonly #reset: (id: number) => void;
  /** The streams, the oldest first, and when they are reset. */
  readonly #dueMs = new Map<number, number>();
  #timer: Timer | undefined;

  constructor(clock: Clock, reset: (id: number) => void) {
    this.#clock = clock;
    this.#reset = reset;
  }

  add(id: number): void {
    this.#dueMs.set(id, this.#clock.now() + GRACE_MS);
    if (this.#dueMs.size > MOST) {
      const [oldest] = this.#dueMs.keys();
      this.#dueMs.delete(oldest!);
      this.#reset(oldest!);
    }
    this.#timer ??= this.#clock.timer(GRACE_MS, this.#due);
  }

  /** The client has ended the request. */
  delete(id: number): void {
    this.#dueMs.delete(id);
  }

  /** Resets them now. */
  flush(): void {
    this.#resetUntil(Infinity);
  }

  /** The connection ends. */
  stop(): void {
    this.#timer?.cancel();
    this.#dueMs.clear();
  }

  #resetUntil(timeMs: number): void {
    for (const [id, dueMs] of this.#dueMs) {
      if (dueMs > timeMs) return;
      this.#dueMs.delete(id);
      this.#reset(id);
    }
  }

  readonly #due = (): void => {
    const now = this.#clock.now();
    this.#timer = undefined;
    this.#resetUntil(now);
    const [next] = this.#dueMs.values();
    if (next !== undefined) this.#timer = this.#clock.timer(next - now, this.#due);
  };
}
