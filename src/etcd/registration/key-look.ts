import { sleep } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import type { Standing } from "./leased-key.ts";
import type { Waiter } from "../../registry/waiters.ts";

/** The operation on a key, and the callers waiting for it. */
export interface KeyLookOptions {
  look(signal: AbortSignal): Promise<Standing>;
  readonly hurried: boolean;
  readonly waiters: readonly Waiter[];
}

/**
 * An operation on a key alongside the renewals of its lease: a look at whether the key still exists, or a put of new
 * attributes. It may have to wait for a token, or for a slow etcd, longer than the lease can go without a renewal.
 */
export class KeyLook {
  /** Whether it skips optional delays because a caller is waiting. */
  readonly hurried: boolean;
  /** Its outcome. A rejection is handled by `within`. */
  readonly standing: Promise<Standing>;
  /** The callers waiting for it. */
  readonly waiters: readonly Waiter[];
  readonly #stop = new AbortController();
  #done = false;

  /** Starts immediately. */
  constructor({ look, hurried, waiters }: KeyLookOptions) {
    this.hurried = hurried;
    this.waiters = waiters;
    this.standing = look(this.#stop.signal).finally(() => (this.#done = true));
  }

  /** Waits for the outcome for `delayMs`, or until `wake` aborts. Returns whether it has arrived. */
  async within(delayMs: number, wake: AbortController, clock: Clock): Promise<boolean> {
    const done = () => wake.abort();
    this.standing.then(done, done);
    await sleep(clock, delayMs, wake.signal);
    return this.#done;
  }

  /** Cancels it: nothing more is sent for it. */
  stop(): void {
    this.#stop.abort(new Error("the check of the key was canceled"));
  }
}
