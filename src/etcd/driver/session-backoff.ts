import { DEFAULT_CONNECT_BACKOFF } from "../../connection/connect-backoff.ts";
import { type Endpoint, endpointIdentity } from "../../endpoint.ts";
import { Backoff, type BackoffOptions, sleep } from "../../time/backoff.ts";
import { type Clock, systemClock } from "../../time/clock.ts";

/**
 * gRPC's connection backoff, but never 2 s, even with its jitter: that is the longest pause in which registrations and
 * watches retry on their own, and leases are short.
 */
const SESSION_BACKOFF: BackoffOptions = { ...DEFAULT_CONNECT_BACKOFF, maxMs: 1_600 };
/** A connection that stayed open this long was healthy, even if nothing was answered on it. */
const HEALTHY_MS = 10_000;
/** How long before a call's answer is needed its connection must be tried, in milliseconds. */
const ANSWER_MS = 1_000;

/**
 * How long a call waits for a time, in milliseconds: not at all if its answer is needed by a time, and would come too
 * late.
 */
export function waitUntilMs(untilMs: number, nowMs: number, neededByMs: number = Infinity): number {
  // What is late already has nothing to lose.
  const urgent = nowMs < neededByMs && untilMs + ANSWER_MS > neededByMs;
  return urgent ? 0 : Math.max(0, untilMs - nowMs);
}

/** The clock of a driver's backoffs, and their jitter. */
export interface BackoffEnv {
  /** Defaults to the runtime's. */
  readonly clock?: Clock | undefined;
  /** Returns a number in [0, 1). Defaults to `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/**
 * The backoff of one etcd endpoint's connection, shared by all that use it and by one session after another: after a
 * failure, all wait for the same next attempt.
 */
export class SessionBackoff {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #retryAtMs = -Infinity;
  /** When the connection was opened, if it is open and has done nothing. */
  #openedMs = -Infinity;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#backoff = new Backoff(SESSION_BACKOFF, random);
  }

  /** How long a call waits before the connection may be opened; see {@link waitUntilMs}. */
  waitMs(neededByMs?: number): number {
    return waitUntilMs(this.#retryAtMs, this.#clock.now(), neededByMs);
  }

  /** Waits for as long as that, or until the signal aborts. */
  async wait(neededByMs: number | undefined, signal: AbortSignal): Promise<void> {
    await sleep(this.#clock, this.waitMs(neededByMs), signal);
    signal.throwIfAborted();
  }

  /** The connection could not be opened. */
  failed(): void {
    this.#openedMs = -Infinity;
    this.#retryAtMs = this.#clock.now() + this.#backoff.next();
  }

  opened(): void {
    this.#retryAtMs = -Infinity;
    this.#openedMs = this.#clock.now();
  }

  /** Something was answered on it, so its end will not count as a failure. */
  answered(): void {
    if (this.#openedMs === -Infinity) return;
    this.#openedMs = -Infinity;
    this.#backoff.reset();
  }

  /** The open connection has ended. If it ended before it did anything, it might as well not have been opened. */
  ended(): void {
    if (this.#clock.now() - this.#openedMs < HEALTHY_MS) this.failed();
    else this.answered();
  }
}

/** A driver's backoffs: one for each endpoint. */
export class SessionBackoffs {
  readonly #env: BackoffEnv;
  readonly #backoffs = new Map<string, SessionBackoff>();

  constructor(env: BackoffEnv) {
    this.#env = env;
  }

  of(endpoint: Endpoint): SessionBackoff {
    const identity = endpointIdentity(endpoint);
    let backoff = this.#backoffs.get(identity);
    if (backoff === undefined) {
      const { clock = systemClock, random = Math.random } = this.#env;
      this.#backoffs.set(identity, backoff = new SessionBackoff(clock, random));
    }
    return backoff;
  }
}
