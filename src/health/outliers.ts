import { Code } from "@connectrpc/connect";
import type { Connection, Outcome } from "../connection/connection.ts";
import { endpointIdentity } from "../endpoint.ts";
import { checkOptions } from "../option.ts";
import type { Timer } from "../time/clock.ts";
import { Ejections } from "./ejections.ts";
import { failurePercentageOutliers } from "./failure-percentage.ts";
import type { HealthCheck, HealthEnvironment, HealthWatch } from "./health.ts";
import { EJECT_OUTLIERS, type EjectOutliersOptions, type OutlierSettings, outlierSettings } from "./outlier-options.ts";
import { successRateOutliers } from "./success-rate.ts";
import { TrackedEndpoint } from "./tracked-endpoint.ts";
import { UsualLatency } from "./usual-latency.ts";
import { verdictOf } from "./verdict.ts";

/** How many endpoints that are not ready are remembered. */
const MOST_AWAY = 1_000;

/**
 * A health check that ejects endpoints whose calls fail (outlier detection, gRFC A50), by what calls get: it probes
 * nothing. See `Ejections` for what happens to them.
 *
 * If all fail, none is an outlier. Then nothing is ejected, and it declares a panic, so that errors and `snapshot()`
 * say it.
 *
 * @throws TypeError or RangeError for invalid options
 */
export function ejectOutliers(options: EjectOutliersOptions = {}): HealthCheck {
  checkOptions("ejectOutliers()", options, EJECT_OUTLIERS);
  const settings = outlierSettings(options);
  return (env) => new OutlierWatch(settings, env);
}

/** {@link ejectOutliers} of one transport. */
class OutlierWatch implements HealthWatch {
  readonly sampled = true;
  readonly #settings: OutlierSettings;
  readonly #env: HealthEnvironment;
  readonly #ejections: Ejections;
  readonly #usual = new UsualLatency();
  /** Those that are ready, by connection. */
  readonly #ready = new Map<Connection, TrackedEndpoint>();
  /** By identity: those that are ready, and those that were lately. */
  readonly #known = new Map<string, TrackedEndpoint>();
  /** How many calls were answered with an error that is no fault of the server. */
  #otherSuccesses = 0;
  /** How many ready endpoints are suspect. */
  #suspects = 0;
  /** Whether none is left that is neither suspect nor ejected. */
  #allFail = false;
  /** The end of the interval; undefined while nothing fails, so that a healthy fleet needs no timer. */
  #interval: Timer | undefined;
  #failedInInterval = false;

  constructor(settings: OutlierSettings, env: HealthEnvironment) {
    this.#settings = settings;
    this.#env = env;
    this.#ejections = new Ejections(settings, env);
  }

  // Connections

  ready(connection: Connection): void {
    const { incarnation } = connection.endpoint, identity = endpointIdentity(connection.endpoint);
    let tracked = this.#known.get(identity);
    if (tracked === undefined || tracked.incarnation !== incarnation) {
      if (tracked !== undefined) this.#forget(tracked);
      tracked = new TrackedEndpoint(identity, connection);
      tracked.incarnation = incarnation;
      this.#known.set(identity, tracked);
      this.#forgetOldest();
    }
    tracked.connection = connection;
    tracked.clearVolume(this.#successesOf(tracked));
    tracked.lost = false;
    this.#ready.set(connection, tracked);
    this.#ejections.ready(tracked);
    this.#lookAtAll();
  }

  ended(connection: Connection): void {
    const tracked = this.#ready.get(connection);
    if (tracked === undefined) return;
    this.#setSuspect(tracked, false);
    this.#ready.delete(connection);
    this.#ejections.ended(tracked);
    this.#lookAtAll();
  }

  restarted(connection: Connection): void {
    const tracked = this.#ready.get(connection);
    if (tracked === undefined) return;
    tracked.incarnation = connection.endpoint.incarnation;
    tracked.multiplier = 0;
    this.#release(tracked);
  }

  recovered(connection: Connection): void {
    const tracked = this.#ready.get(connection);
    if (tracked !== undefined) this.#release(tracked);
  }

  #release(tracked: TrackedEndpoint): void {
    tracked.run.end();
    tracked.clearVolume(this.#successesOf(tracked));
    this.#setSuspect(tracked, false);
    this.#ejections.release(tracked);
    this.#lookAtAll();
  }

  #forget(tracked: TrackedEndpoint): void {
    tracked.timer?.cancel();
    this.#known.delete(tracked.identity);
  }

  #forgetOldest(): void {
    if (this.#known.size <= this.#ready.size + MOST_AWAY) return;
    for (const tracked of this.#known.values()) if (!tracked.ready) return this.#forget(tracked);
  }

  // Calls

  outcome(connection: Connection, outcome: Outcome): void {
    const tracked = this.#ready.get(connection) ?? this.#known.get(endpointIdentity(connection.endpoint));
    if (tracked === undefined) return;
    const { code, method, headerMs } = outcome;
    if (code === undefined) {
      if (headerMs !== undefined && !Number.isNaN(headerMs)) this.#usual.add(method, headerMs);
      return this.#succeeded(tracked, outcome);
    }
    const verdict = verdictOf(outcome, this.#settings.codes, this.#usual.of(method));
    if (verdict === "success") {
      tracked.otherSuccesses++;
      this.#otherSuccesses++;
      this.#succeeded(tracked, outcome);
    } else if (verdict === undefined) this.#ejections.learn(tracked, this.#ready.size, outcome, undefined);
    else if (verdict === "failure" || !tracked.lost) this.#failed(tracked, outcome, code);
    if (verdict === "lost") tracked.lost = true;
  }

  #succeeded(tracked: TrackedEndpoint, outcome: Outcome): void {
    if (tracked.calm) return;
    tracked.run.end();
    this.#setSuspect(tracked, false);
    this.#ejections.learn(tracked, this.#ready.size, outcome, true);
    this.#lookAtAll();
  }

  #failed(tracked: TrackedEndpoint, outcome: Outcome, code: Code): void {
    this.#beginInterval();
    tracked.failed++;
    if (tracked.phase !== "in") this.#ejections.learn(tracked, this.#ready.size, outcome, false);
    const { consecutiveFailures: rule } = this.#settings;
    if (tracked.out || rule === undefined) return;
    const all = this.#successesOfAll();
    const length = tracked.run.failed(this.#env.now(), rule.withinMs, this.#successesOf(tracked), all);
    const why = `its last ${length} calls failed, the last one with ${Code[code]}`;
    const suspect = length >= rule.failures &&
      !(tracked.run.othersSucceeded(all) && this.#eject(tracked, rule.baseEjectionMs, why));
    this.#setSuspect(tracked, suspect);
    this.#lookAtAll();
  }

  /** Most successes are not heard of, only counted. */
  #successesOf(tracked: TrackedEndpoint): number {
    return this.#env.successes(tracked.connection) + tracked.otherSuccesses;
  }

  #successesOfAll(): number {
    return this.#env.successes() + this.#otherSuccesses;
  }

  #eject(tracked: TrackedEndpoint, baseMs: number, why: string): boolean {
    if (!tracked.ready || !this.#ejections.eject(tracked, this.#ready.size, baseMs, why)) return false;
    tracked.run.end();
    this.#setSuspect(tracked, false);
    return true;
  }

  // Intervals

  #beginInterval(): void {
    this.#failedInInterval = true;
    if (this.#interval !== undefined) return;
    for (const tracked of this.#ready.values()) tracked.clearVolume(this.#successesOf(tracked));
    this.#interval = this.#env.timer(this.#settings.intervalMs, () => this.#endInterval());
  }

  #endInterval(): void {
    this.#interval = undefined;
    const { successRate, failurePercentage, baseEjectionMs } = this.#settings;
    const all = [...this.#ready.values()].filter((tracked) => !tracked.out);
    for (const tracked of all) tracked.succeeded = this.#successesOf(tracked) - tracked.successesBefore;
    const counts = ({ failed, succeeded }: TrackedEndpoint) => `${failed} of its ${failed + succeeded} calls failed`;
    if (successRate !== undefined) {
      for (const tracked of successRateOutliers(all, successRate)) {
        this.#eject(tracked, baseEjectionMs, `${counts(tracked)}, far more than of the others'`);
      }
    }
    if (failurePercentage !== undefined) {
      for (const tracked of failurePercentageOutliers(all, failurePercentage)) {
        // The other algorithm may have found it as well.
        if (!tracked.out) this.#eject(tracked, baseEjectionMs, counts(tracked));
      }
    }
    this.#lookAtAll();
    if (!this.#failedInInterval) return;
    this.#beginInterval();
    this.#failedInInterval = false;
  }

  // When all fail

  #setSuspect(tracked: TrackedEndpoint, suspect: boolean): void {
    if (tracked.suspect === suspect || (suspect && !tracked.ready)) return;
    tracked.suspect = suspect;
    this.#suspects += suspect ? 1 : -1;
  }

  /** Whether all endpoints fail may have changed. */
  #lookAtAll(): void {
    const allFail = this.#noneIsLeft() && (this.#allFail || this.#noneHasRecovered());
    if (allFail === this.#allFail) return;
    this.#allFail = allFail;
    if (allFail) this.#panic();
    else this.#calmDown();
  }

  #noneIsLeft(): boolean {
    const all = this.#ready.size;
    return all > 1 && this.#suspects > 0 && this.#suspects + this.#ejections.out >= all;
  }

  /** Looks whether suspects had successes that were not heard of. */
  #noneHasRecovered(): boolean {
    for (const tracked of this.#ready.values()) {
      if (tracked.suspect && tracked.run.endedBy(this.#successesOf(tracked))) this.#setSuspect(tracked, false);
    }
    return this.#noneIsLeft();
  }

  #panic(): void {
    const shows = this.#env.panic(true);
    for (const tracked of [...this.#ready.values()]) {
      this.#ejections.release(tracked);
      this.#setSuspect(tracked, true);
      if (shows) this.#env.report(tracked.connection, new Error("its calls fail, as those to all other endpoints do"));
    }
  }

  #calmDown(): void {
    for (const tracked of [...this.#ready.values()]) {
      if (tracked.ejected === undefined) this.#env.report(tracked.connection, "serving");
    }
    this.#env.panic(false);
  }
}
