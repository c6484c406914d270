import { sleep } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import type { Standing } from "./leased-key.ts";
import type { Waiter } from "./waiters.ts";

/** What is done to a key, and for whom. */
export interface KeyLookOptions {
  look(signal: AbortSignal): Promise<Standing>;
  readonly hurried: boolean;
  readonly waiters: readonly Waiter[];
}

/**
 * What is done to a key beside the renewals of its lease: a look whether it stands, or a put of new attributes. It may
 * have to wait for a token, or for a slow etcd, for longer than the lease can wait to be renewed.
 */
export class KeyLook {
  /** Whether it waits no longer than it must. */
  readonly hurried: boolean;
  /** Its outcome; nobody has to wait for it. */
  readonly standing: Promise<Standing>;
  /** Those who wait for it. */
  readonly waiters: readonly Waiter[];
  readonly #stop = new AbortController();
  #done = false;

  /** Begins at once. */
  constructor({ look, hurried, waiters }: KeyLookOptions) {
    this.hurried = hurried;
    this.waiters = waiters;
    this.standing = look(this.#stop.signal).finally(() => (this.#done = true));
    this.standing.catch(() => {});
  }

  /** Waits for its outcome for `delayMs`, or until `wake` aborts. Returns whether it is there. */
  async within(delayMs: number, wake: AbortController, clock: Clock): Promise<boolean> {
    const done = () => wake.abort();
    this.standing.then(done, done);
    await sleep(clock, delayMs, wake.signal);
    return this.#done;
  }

  /** Gives it up; returns when it has ended. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the look at the key was given up"));
    await this.standing.catch(() => {});
  }
}
