import type { EndpointAttributes } from "../../registry/registry.ts";
import type { Clock } from "../../time/clock.ts";
import { KeyLook } from "./key-look.ts";
import type { LeasedKey, Standing } from "./leased-key.ts";
import type { Waiter } from "../../registry/waiters.ts";

/** A registration checks once per TTL that its key still exists, but no more often than this, in milliseconds. */
const VERIFY_MS = 5_000;
/**
 * A look at a key is not urgent while its lease is kept alive: when a restarted etcd has forgotten the tokens of many
 * programs, they need not all request a new one at once. The longest delay, in milliseconds.
 */
const TOKEN_SPREAD_MS = 30_000;

/** What a look does, and how long it may keep the registration from renewing its lease. */
export interface LookOptions {
  readonly attributes: EndpointAttributes;
  /** The callers waiting for new attributes to be put. */
  readonly updates: readonly Waiter[];
  /** How the key was found last. A key held by another program is looked at each time. */
  readonly known: Standing;
  /** Whether a caller is waiting for the outcome. */
  readonly hurried: boolean;
  /** Until when to wait for the outcome, in milliseconds of the clock. */
  readonly untilMs: number;
  /** Ends the wait early when it aborts. The outcome aborts it too. */
  readonly wake: AbortController;
}

/** What a look found, and the callers that waited for it to put new attributes. */
export interface Looked {
  readonly standing: Standing;
  readonly updates: readonly Waiter[];
}

/**
 * Schedules a registration's looks at its key in etcd, and holds the look in progress. A look is due once per TTL,
 * after each failure, and after each loss of the connection; a slow one continues alongside the renewals of the lease.
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

  /** The connection to etcd was lost, so what was seen over it may no longer be true. */
  connectionLost(): void {
    this.#losses++;
    this.#dueAtMs = 0;
  }

  /** Sets when the next look is due, in milliseconds of the clock. */
  dueAt(atMs: number): void {
    this.#dueAtMs = atMs;
  }

  /**
   * Looks at the key if a look is due or in progress. If it doesn't finish in time, it continues, and a later call gets
   * its outcome.
   */
  async look({ attributes, updates, known, hurried, untilMs, wake }: LookOptions): Promise<Looked> {
    const clock = this.#clock;
    if (hurried && this.#looking?.hurried === false) this.stop();
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

  /** Cancels the look in progress. */
  stop(): void {
    this.#looking?.stop();
    this.#looking = undefined;
  }

  /** Runs `find`, which finds out how the key stands; after it no look is due for a TTL. */
  async record(find: () => Promise<Standing>): Promise<Standing> {
    const losses = this.#losses;
    const standing = await find();
    // What was seen over a connection that has since been lost must be checked again.
    if (losses === this.#losses) this.#dueAtMs = this.#clock.now() + Math.max(VERIFY_MS, this.#key.ttlMs);
    return standing;
  }
}
