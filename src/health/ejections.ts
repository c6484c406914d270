import type { Outcome } from "../connection/connection.ts";
import { Ejected, type Finding } from "./ejected.ts";
import type { HealthEnvironment } from "./health.ts";
import type { OutlierSettings } from "./outlier-options.ts";
import type { Phase, TrackedEndpoint } from "./tracked-endpoint.ts";

/** An endpoint on trial may get a call that never ends: after this time it gets another one. */
const TRIAL_MS = 5_000;

/** How long an endpoint that is back gets fewer calls than others, in milliseconds. */
const RAMP_MS = 10_000;
/** How often the number of its calls in flight doubles meanwhile. */
const DOUBLINGS = 10;

/**
 * How long an ejection lasts (gRFC A50): the base times the multiplier, at most `maxMs`, unless the base is longer. The
 * multiplier is 1 the first time, grows with each ejection, and shrinks with each interval without one.
 */
export function ejectionMs(baseMs: number, multiplier: number, maxMs: number): number {
  return Math.min(baseMs * multiplier, Math.max(baseMs, maxMs));
}

/**
 * How many of the ready endpoints may be ejected at a time: `percent` of them, but at least one; none of one. Without a
 * percentage: one of up to four, half of more.
 */
export function mostEjected(ready: number, percent: number | undefined): number {
  if (ready < 2) return 0;
  if (percent === undefined) return ready < 5 ? 1 : Math.floor(ready / 2);
  return Math.max(1, Math.floor(ready * percent / 100));
}

/** How many calls in flight an endpoint may have that has been back for so many milliseconds: 1, 2, 4 … 1,024. */
export function rampedUp(backForMs: number): number {
  return backForMs >= RAMP_MS ? Infinity : Math.floor(2 ** (DOUBLINGS * backForMs / RAMP_MS));
}

/**
 * Takes endpoints out of rotation and lets them back:
 *
 *     in ──eject()──► ejected ──its time is over──► on trial ──a call succeeds──► ramp ──10 s──► in
 *                        ▲                             │
 *                        └────────a call fails─────────┘
 *
 * On trial it gets one call at a time; on the ramp, as many in flight as have proved to be too few.
 */
export class Ejections {
  readonly #settings: OutlierSettings;
  readonly #env: HealthEnvironment;
  /** How many ready endpoints are out. */
  #out = 0;

  constructor(settings: OutlierSettings, env: HealthEnvironment) {
    this.#settings = settings;
    this.#env = env;
  }

  /** How many ready endpoints are ejected or on trial. */
  get out(): number {
    return this.#out;
  }

  /** Its connection is ready: goes on where it was. */
  ready(tracked: TrackedEndpoint): void {
    tracked.ready = true;
    if (tracked.out) this.#out++;
    if (tracked.ejected !== undefined) this.#env.report(tracked.connection, tracked.ejected);
    else if (tracked.phase !== "in") this.#try(tracked);
  }

  /** Its connection is no longer ready. */
  ended(tracked: TrackedEndpoint): void {
    tracked.ready = false;
    if (tracked.out) this.#out--;
  }

  /** Ejects one of so many ready endpoints. Returns whether it is ejected: not if too many are. */
  eject(tracked: TrackedEndpoint, ready: number, baseMs: number, finding: Finding): boolean {
    if (!tracked.out && this.#out >= mostEjected(ready, this.#settings.maxEjectionPercent)) return false;
    const nowMs = this.#env.now(), { intervalMs, maxEjectionMs } = this.#settings;
    const intervals = Math.floor((nowMs - tracked.backMs) / intervalMs);
    tracked.multiplier = Math.max(0, tracked.multiplier - intervals) + 1;
    const forMs = ejectionMs(baseMs, tracked.multiplier, maxEjectionMs);
    tracked.baseMs = baseMs;
    tracked.rule = finding.rule;
    this.#enter(tracked, "ejected", forMs, () => this.#try(tracked));
    tracked.ejected = new Ejected(finding, forMs, nowMs);
    this.#env.report(tracked.connection, tracked.ejected);
    return true;
  }

  /** A call of the phase it is in has ended, with or without success, or undefined: it says nothing. */
  learn(tracked: TrackedEndpoint, ready: number, outcome: Outcome, success: boolean | undefined): void {
    // All calls of these phases are timed. The end of one that began before says nothing about them.
    const beganMs = this.#env.now() - outcome.latencyMs;
    if (tracked.phase === "in" || !(beganMs >= tracked.sinceMs)) return;
    if (tracked.phase === "on trial" && success === false) {
      const { baseMs, rule } = tracked;
      this.eject(tracked, ready, baseMs, { rule, why: "a call failed again when it was on trial" });
    } else if (tracked.phase === "on trial" && success === undefined) {
      this.#env.allow(tracked.connection, 1);
    } else if (tracked.out && success === true) {
      // In a panic, one that is ejected gets calls as well.
      this.#ramp(tracked);
    } else if (tracked.phase === "ramp") {
      const window = rampedUp(this.#env.now() - tracked.sinceMs);
      this.#env.allow(tracked.connection, window === Infinity ? Infinity : 1 + window - tracked.window);
      tracked.window = window;
    }
  }

  /** Lets it back at once. */
  release(tracked: TrackedEndpoint): void {
    if (tracked.phase === "in") return;
    this.#enter(tracked, "in", undefined, undefined);
    this.#env.allow(tracked.connection, Infinity);
    this.#env.report(tracked.connection, "serving");
  }

  /** ejected → on trial. */
  #try(tracked: TrackedEndpoint): void {
    this.#enter(tracked, "on trial", TRIAL_MS, () => this.#tryAgain(tracked));
    this.#env.allow(tracked.connection, 1);
    this.#env.report(tracked.connection, "serving");
  }

  #tryAgain(tracked: TrackedEndpoint): void {
    tracked.timer = this.#env.timer(TRIAL_MS, () => this.#tryAgain(tracked));
    this.#env.allow(tracked.connection, 1);
  }

  /** ejected or on trial → ramp. */
  #ramp(tracked: TrackedEndpoint): void {
    this.#enter(tracked, "ramp", RAMP_MS, () => this.release(tracked));
    tracked.window = 1;
    this.#env.allow(tracked.connection, 1);
    this.#env.report(tracked.connection, "serving");
  }

  /** The one place where the phase changes; `then` ends it. */
  #enter(tracked: TrackedEndpoint, phase: Phase, forMs: number | undefined, then: (() => void) | undefined): void {
    const before = tracked.out, nowMs = this.#env.now();
    if (tracked.phase === "ejected") tracked.backMs = nowMs;
    tracked.timer?.cancel();
    tracked.timer = forMs === undefined || then === undefined ? undefined : this.#env.timer(forMs, then);
    tracked.phase = phase;
    tracked.sinceMs = nowMs;
    tracked.ejected = undefined;
    if (tracked.ready && tracked.out !== before) this.#out += tracked.out ? 1 : -1;
  }
}
