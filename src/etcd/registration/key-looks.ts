import type { EndpointAttributes } from "../../registry/registry.ts";
import type { Clock } from "../../time/clock.ts";
import { KeyLook } from "./key-look.ts";
import type { LeasedKey, Standing } from "./leased-key.ts";
import type { Waiter } from "./waiters.ts";

/** A registration looks whether its key still stands once a TTL, but not more often than this, in milliseconds. */
const VERIFY_MS = 5_000;
/**
 * A look at a key is in no hurry while its lease is kept alive: of the many programs whose tokens an etcd has forgotten,
 * as it was restarted, not all need to ask for another at once. Up to so long they wait, in milliseconds.
 */
const TOKEN_SPREAD_MS = 30_000;

/** What a look is to do, and how long it may keep the registration from its lease. */
export interface LookOptions {
  readonly attributes: EndpointAttributes;
  /** Those who wait for new attributes to be put. */
  readonly updates: readonly Waiter[];
  /** How the key stood when it was seen last. One that somebody else held is looked at each time. */
  readonly known: Standing;
  /** Somebody waits for its outcome. */
  readonly hurried: boolean;
  /** Until when to wait for the outcome, on the clock's scale in milliseconds. */
  readonly untilMs: number;
  /** Ends the wait early when it aborts; aborted by the outcome. */
  readonly wake: AbortController;
}

/** What was found, and who waited for it to put new attributes. */
export interface Looked {
  readonly standing: Standing;
  readonly updates: readonly Waiter[];
}

/**
 * When a registration looks at its key in etcd, and the look in progress. A look is due once a TTL, after each failure,
 * and after each loss of the connection; one that takes long goes on beside the renewals of the lease.
 */
export class KeyLooks {
  readonly #clock: Clock;
  readonly #key: LeasedKey;
  #dueAtMs = 0;
  #losses = 0;
  #looking: KeyLook | undefined;

  constructor(clock: Clock, key: LeasedKey) {
    this.#clock = clock;
    this.#key = key;
  }

  /** The connection to etcd was lost, and with it what was seen over it. */
  connectionLost(): void {
    this.#losses++;
    this.#dueAtMs = 0;
  }

  /** The next look is due at that time, on the clock's scale in milliseconds. */
  dueAt(atMs: number): void {
    this.#dueAtMs = atMs;
  }

  /** Looks at the key if a look is due or under way. One that isn't done in time goes on: a later call gets its outcome. */
  async look({ attributes, updates, known, hurried, untilMs, wake }: LookOptions): Promise<Looked> {
    const clock = this.#clock;
    if (hurried && this.#looking?.hurried === false) await this.stop();
    if (this.#looking === undefined) {
      const due = known === "taken" || clock.now() >= this.#dueAtMs;
      if (updates.length === 0 && !due) return { standing: known, updates };
      const options = hurried ? {} : { tokenSpreadMs: TOKEN_SPREAD_MS };
      const find = updates.length > 0
        ? (signal: AbortSignal) => this.#key.update(attributes, signal)
        : (signal: AbortSignal) => this.#key.verify(attributes, signal, options);
      this.#looking = new KeyLook({ look: (signal) => this.record(() => find(signal)), hurried, waiters: updates });
    }
    const looking = this.#looking;
    if (!await looking.within(untilMs - clock.now(), wake, clock)) return { standing: known, updates: [] };
    this.#looking = undefined;
    return { standing: await looking.standing, updates: looking.waiters };
  }

  /** Gives up the look in progress. */
  async stop(): Promise<void> {
    await this.#looking?.stop();
    this.#looking = undefined;
  }

  /** Runs what finds out how the key stands; after it no look is due for a TTL. */
  async record(find: () => Promise<Standing>): Promise<Standing> {
    const losses = this.#losses;
    const standing = await find();
    // What was seen over a connection that is lost by now has to be seen again.
    if (losses === this.#losses) this.#dueAtMs = this.#clock.now() + Math.max(VERIFY_MS, this.#key.ttlMs);
    return standing;
  }
}
