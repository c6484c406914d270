import { RESOLVER_BACKOFF } from "../resolver/resolver-backoff.ts";
import { Backoff } from "../time/backoff.ts";
import { PACE_MS } from "../time/pace.ts";

/** A list without an answer counts as failed after this time: the request that began it may be gone. */
const OVERDUE_MS = 3_000;

/** While a list has no answer, other calls that need it begin another one after this time. */
const STAGGER_MS = 250;

/** How long calls that could use the old set wait for a new one: the registry may be slow or unreachable. */
const PATIENCE_MS = 500;

/** The minimum age at which a set is read again because a connection failed. */
const SUSPECT_AGE_MS = 1_000;

/**
 * How old a set is, and when it may be read again. It consists of numbers only: requests share it, and one may end at
 * any moment without finishing what it began.
 */
export class Freshness {
  readonly #maxAgeMs: number;
  readonly #backoff: Backoff;
  #readMs = -Infinity;
  #freshUntilMs = -Infinity;
  /** No list begins before this: the last one failed. */
  #retryAtMs = -Infinity;
  /** When the first and the last of the lists without an answer began. */
  #firstMs = Infinity;
  #lastMs = -Infinity;
  /** Lists are numbered, so that a late answer does not replace a newer one. */
  #begun = 0;
  #ended = 0;

  constructor(maxAgeMs: number, random: () => number) {
    this.#maxAgeMs = maxAgeMs;
    this.#backoff = new Backoff(RESOLVER_BACKOFF, random);
  }

  fresh(nowMs: number): boolean {
    return nowMs < this.#freshUntilMs;
  }

  /** Whether the set can be used as it is: it is fresh, or it is too early to try again after a failure. */
  settled(nowMs: number): boolean {
    return this.fresh(nowMs) || nowMs < this.#retryAtMs;
  }

  /** Whether a call that could use the old set waits for a new one. */
  worthWaiting(nowMs: number): boolean {
    return nowMs < this.#firstMs + PATIENCE_MS;
  }

  /** Whether the lists that have begun had no answer for too long. */
  overdue(nowMs: number): boolean {
    return nowMs >= this.#firstMs + OVERDUE_MS;
  }

  /** Whether a call may begin a list. `eager`: it waits for the answer. */
  mayList(nowMs: number, eager: boolean): boolean {
    if (this.settled(nowMs)) return false;
    return this.#firstMs === Infinity || eager && nowMs >= this.#lastMs + STAGGER_MS;
  }

  /** A list begins; returns its number. */
  began(nowMs: number): number {
    this.#firstMs = Math.min(this.#firstMs, nowMs);
    this.#lastMs = nowMs;
    return ++this.#begun;
  }

  /** A list has ended; returns whether its result is news. */
  ended(number: number): boolean {
    if (number <= this.#ended) return false;
    this.#ended = number;
    this.#firstMs = Infinity;
    return true;
  }

  succeeded(nowMs: number): void {
    this.#backoff.reset();
    this.#retryAtMs = -Infinity;
    this.#readMs = nowMs;
    this.#freshUntilMs = nowMs + this.#maxAgeMs;
  }

  /** The lists that have begun count as ended. */
  lost(): void {
    this.#firstMs = Infinity;
  }

  failed(nowMs: number): void {
    this.lost();
    this.#retryAtMs = nowMs + this.#backoff.next();
  }

  /** A connection failed: the set may be out of date. The call that noticed it goes on with the set at once. */
  suspect(nowMs: number): void {
    this.#freshUntilMs = Math.min(this.#freshUntilMs, Math.max(nowMs + PACE_MS, this.#readMs + SUSPECT_AGE_MS));
  }

  /** Starts over, as if nothing had ever been read. */
  reset(): void {
    this.#freshUntilMs = this.#retryAtMs = -Infinity;
    this.lost();
    this.#backoff.reset();
  }
}
