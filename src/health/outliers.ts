import { Code } from "@connectrpc/connect";
import type { Connection, Outcome } from "../connection/connection.ts";
import { endpointIdentity } from "../endpoint.ts";
import { checkOptions } from "../option.ts";
import type { Timer } from "../time/clock.ts";
import { Ejections } from "./ejections.ts";
import { failurePercentageOutliers } from "./failure-percentage.ts";
import type { Finding } from "./ejected.ts";
import type { HealthCheck, HealthEnvironment, HealthWatch } from "./health.ts";
import { EJECT_OUTLIERS, type EjectOutliersOptions, type OutlierSettings, outlierSettings } from "./outlier-options.ts";
import { successRateOutliers } from "./success-rate.ts";
import { Suspects } from "./suspects.ts";
import { TrackedEndpoint } from "./tracked-endpoint.ts";
import { UsualLatency } from "./usual-latency.ts";
import { verdictOf } from "./verdict.ts";

/** How many endpoints that are not ready are remembered. */
const MOST_AWAY = 100;

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
  readonly #suspects: Suspects;
  readonly #usual = new UsualLatency();
  /** Those that are ready, by connection. */
  readonly #ready = new Map<Connection, TrackedEndpoint>();
  /** By identity: those that are ready, and those that were lately. */
  readonly #known = new Map<string, TrackedEndpoint>();
  /** How many calls were answered with an error that is no fault of the server. */
  #otherSuccesses = 0;
  /** The end of the interval; undefined while nothing fails, so that a healthy fleet needs no timer. */
  #interval: Timer | undefined;
  #failedInInterval = false;

  constructor(settings: OutlierSettings, env: HealthEnvironment) {
    this.#settings = settings;
    this.#env = env;
    this.#ejections = new Ejections(settings, env);
    this.#suspects = new Suspects(env, this.#ejections, this.#ready, (tracked) => this.#successesOf(tracked));
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
    this.#suspects.look();
  }

  ended(connection: Connection): void {
    const tracked = this.#ready.get(connection);
    if (tracked === undefined) return;
    this.#suspects.delete(tracked);
    this.#ready.delete(connection);
    this.#ejections.ended(tracked);
    this.#suspects.look();
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
    this.#suspects.delete(tracked);
    this.#ejections.release(tracked);
    this.#suspects.look();
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
      if (headerMs !== undefined && headerMs >= 0) this.#usual.add(method, headerMs);
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
    this.#suspects.delete(tracked);
    this.#ejections.learn(tracked, this.#ready.size, outcome, true);
    this.#suspects.look();
  }

  #failed(tracked: TrackedEndpoint, outcome: Outcome, code: Code): void {
    const nowMs = this.#env.now();
    if (this.#suspects.precedesCalm(nowMs - outcome.latencyMs)) return;
    this.#beginInterval();
    tracked.failed++;
    if (tracked.phase !== "in") this.#ejections.learn(tracked, this.#ready.size, outcome, false);
    const { consecutiveFailures: rule } = this.#settings;
    if (tracked.out || rule === undefined) return;
    this.#suspects.review(tracked);
    const all = this.#successesOfAll();
    const length = tracked.run.failed(nowMs, rule.withinMs, this.#successesOf(tracked), all);
    if (length >= rule.failures) {
      const why = `its last ${length} calls failed, the last one with ${Code[code]}`;
      const ejected = tracked.run.othersSucceeded(all) &&
        this.#eject(tracked, rule.baseEjectionMs, { rule: "consecutive_failures", why }, length % rule.failures !== 0);
      if (!ejected) this.#suspects.add(tracked);
    }
    this.#suspects.look();
  }

  /** Most successes are not heard of, only counted. */
  #successesOf(tracked: TrackedEndpoint): number {
    return this.#env.successes(tracked.connection) + tracked.otherSuccesses;
  }

  #successesOfAll(): number {
    return this.#env.successes() + this.#otherSuccesses;
  }

  /** Returns whether it is ejected. `again`: the rule found it just before. */
  #eject(tracked: TrackedEndpoint, baseMs: number, finding: Finding, again = false): boolean {
    if (!tracked.ready) return false;
    if (!this.#ejections.eject(tracked, this.#ready.size, baseMs, finding)) {
      if (!again) this.#env.unenforced(tracked.connection, finding.rule);
      return false;
    }
    tracked.run.end();
    this.#suspects.delete(tracked);
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
    if (!this.#suspects.areAll) this.#lookForOutliers();
    if (!this.#failedInInterval) return;
    this.#beginInterval();
    this.#failedInInterval = false;
  }

  #lookForOutliers(): void {
    const { successRate, failurePercentage, baseEjectionMs } = this.#settings;
    const all = [...this.#ready.values()].filter((tracked) => !tracked.out);
    for (const tracked of all) tracked.succeeded = this.#successesOf(tracked) - tracked.successesBefore;
    const counts = ({ failed, succeeded }: TrackedEndpoint) => `${failed} of its ${failed + succeeded} calls failed`;
    if (successRate !== undefined) {
      for (const tracked of successRateOutliers(all, successRate)) {
        const why = `${counts(tracked)}, far more than of the others'`;
        this.#eject(tracked, baseEjectionMs, { rule: "success_rate", why });
      }
    }
    if (failurePercentage !== undefined) {
      for (const tracked of failurePercentageOutliers(all, failurePercentage)) {
        // The other algorithm may have found it as well.
        if (tracked.out) continue;
        this.#eject(tracked, baseEjectionMs, { rule: "failure_percentage", why: counts(tracked) });
      }
    }
    this.#suspects.look();
  }
}
