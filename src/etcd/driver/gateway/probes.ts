import { markAttempt } from "../../../connection/mark.ts";
import { sleep } from "../../../time/backoff.ts";
import type { Clock } from "../../../time/clock.ts";
import { SessionBackoff, waitUntilMs } from "../session-backoff.ts";
import { GatewayError } from "./gateway-error.ts";

/**
 * How long others wait for a probe, in milliseconds: its caller may leave, or etcd answer it late, as it does when it
 * checks a password.
 */
const PROBE_MS = 1_000;
/** After how long those who wait look whether the probe is over, in milliseconds: at first, doubling up to the most. */
const LOOK_MS = { first: 10, most: 160 } as const;

/** One call to an endpoint that has not answered: an object of its own, compared by identity. */
export type Probe = Readonly<Record<never, never>>;

/**
 * Who may call an endpoint that has not answered since its connection was lost: one call at a time, the probe, and after
 * one that failed, none before a backoff is over. All calls of a driver share this, so nothing in it is a promise, a
 * timer or a signal: in workerd those belong to the request in which they were made.
 */
export class Probes {
  readonly #clock: Clock;
  readonly #backoff: SessionBackoff;
  /** The newest message arrived after the newest loss of a connection: everybody may call. */
  #answers = false;
  /** The newest probe, unless an answer came after it, and until when others wait for it. */
  #probe: Probe | undefined;
  #untilMs = -Infinity;
  /** Why the last probe that failed did. */
  #failure: GatewayError | undefined;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#backoff = new SessionBackoff(clock, random);
  }

  get answers(): boolean {
    return this.#answers;
  }

  /** How long a call must wait before it may be a probe, in milliseconds. */
  backoffMs(neededByMs?: number): number {
    return this.#backoff.waitMs(neededByMs);
  }

  /**
   * Waits until a call may be made. Returns the probe if it is one.
   *
   * @throws GatewayError if a probe fails meanwhile; the signal's reason.
   */
  async begin(signal: AbortSignal, neededByMs: number | undefined): Promise<Probe | undefined> {
    const before = this.#failure, clock = this.#clock;
    for (let lookMs: number = LOOK_MS.first; !this.#answers; lookMs = Math.min(2 * lookMs, LOOK_MS.most)) {
      const probedMs = waitUntilMs(this.#untilMs, clock.now(), neededByMs);
      const waitMs = Math.max(this.backoffMs(neededByMs), probedMs);
      if (waitMs === 0) {
        this.#untilMs = clock.now() + PROBE_MS;
        return this.#probe = {};
      }
      await sleep(clock, Math.min(waitMs, lookMs), signal);
      signal.throwIfAborted();
      const failure = this.#failure;
      if (failure !== undefined && failure !== before) {
        throw markAttempt(new GatewayError(failure.message, undefined, failure), "not-sent");
      }
    }
    return undefined;
  }

  /** A message of etcd's arrived. */
  answered(): void {
    this.#answers = true;
    // None is in flight any more: how the one that was ends says nothing about the next.
    this.#probe = undefined;
    this.#untilMs = -Infinity;
    this.#backoff.opened();
    this.#backoff.answered();
  }

  /** A connection was lost, or given up. */
  lost(): void {
    this.#answers = false;
  }

  /** A probe's caller left before its end: others need not wait for it. */
  left(probe: Probe): void {
    if (probe === this.#probe) this.#untilMs = -Infinity;
  }

  /** A probe was not answered by etcd. */
  failed(probe: Probe, error: GatewayError): void {
    if (probe !== this.#probe) return;
    this.#untilMs = -Infinity;
    this.#failure = error;
    this.#backoff.failed();
  }
}
