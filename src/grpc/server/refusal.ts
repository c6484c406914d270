import type { Deadline, Deadlines, DeadlineTarget } from "../../time/deadline.ts";

/** How long the rest of a refused request is waited for, in milliseconds, and how much of it is dropped meanwhile. */
const GRACE_MS = 5_000, MOST_BYTES = 64 * 1024 * 1024;

/**
 * A response that comes before its request is complete, such as to a message that is too large: it waits until the
 * client has sent the rest, for a moment and up to a limit. HTTP/2 lets a server answer at once, but Node's client then
 * drops what it has not sent and goes on counting it, and after 10 MB of that every call on its connection fails.
 */
export class Refusal implements DeadlineTarget {
  readonly #refuse: () => void;
  readonly #deadline: Deadline;
  #left = MOST_BYTES;

  /** `refuse` is called once, unless it ends before. */
  constructor(deadlines: Deadlines, refuse: () => void) {
    this.#refuse = refuse;
    this.#deadline = deadlines.add(GRACE_MS, this);
  }

  /** Bytes of the request were dropped. */
  dropped(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) this.complete();
  }

  /** The request is complete. */
  complete(): void {
    this.end();
    this.#refuse();
  }

  onDeadline(): void {
    this.#refuse();
  }

  /** The call has ended in another way. */
  end(): void {
    this.#deadline.cancel();
  }
}
