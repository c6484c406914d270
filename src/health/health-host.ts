import type { Connection, Health, Outcome, OutcomeListener } from "../connection/connection.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import { guarded, printRejection, printThrown } from "../listener.ts";
import type { Clock } from "../time/clock.ts";
import { TimerGroup } from "../time/timer-group.ts";
import { Ejected, type OutlierRule } from "./ejected.ts";
import type { HealthCheck, HealthWatch } from "./health.ts";

/** Options of {@link HealthHost}. */
export interface HealthHostOptions {
  readonly checks: readonly HealthCheck[];
  /**
   * Panic threshold: if less than this share of the ready connections could be used as health checks have it, none is
   * held back. Those whose health is not known yet don't count against it.
   */
  readonly panicShare: number;
  readonly clock: Clock;
  readonly random: () => number;
  /** How many attempts have ever succeeded on all connections. */
  successes(): number;
  /** A connection is held back, or no longer: `health` is its health as calls see it. */
  onHealth(connection: EndpointConnection, health: Health): void;
  /** A connection should be held back by a rule, and is not, as too many are. */
  onUnenforced(connection: EndpointConnection, rule: OutlierRule): void;
  /** A panic began or ended. */
  onPanic(panic: boolean): void;
}

/** What watches hear of a connection. */
type HealthEvent = "ready" | "ended" | "outcome" | "recovered" | "restarted";

/** What checks said about one ready connection. */
interface Ready {
  /** By check; undefined means serving. */
  readonly reports: (Health | undefined)[];
  /** By check: whether it allows only some attempts. */
  readonly restricts: boolean[];
  incarnation: string | undefined;
  /** Whether it counts towards a panic. */
  weak: boolean;
  ejected: boolean;
}

/**
 * Runs the health checks of one transport: notifies them of connections, combines their reports, and applies the panic
 * threshold. What one check reports may matter to another (a server that answers a probe is no longer ejected): the
 * host passes it on, so that checks need not know each other.
 */
export class HealthHost implements OutcomeListener {
  readonly #options: HealthHostOptions;
  readonly #watches: readonly HealthWatch[];
  readonly #timers: TimerGroup;
  readonly #ready = new Map<EndpointConnection, Ready>();
  /** How many ready connections are failing, or restricted. */
  #weak = 0;
  /** How many of them are ejected. */
  #ejected = 0;
  /** By check: whether it declares a panic. */
  readonly #declared: boolean[] = [];
  #panic = false;
  readonly hearsAll: boolean;
  #closed = false;

  constructor(options: HealthHostOptions) {
    this.#options = options;
    const { clock, random } = options;
    const timers = this.#timers = new TimerGroup(clock, "a health check");
    this.#watches = options.checks.map((check, index) => {
      const watch: HealthWatch | undefined = check({
        now: () => clock.now(),
        random,
        timer: (delayMs, callback) => timers.add(delayMs, callback),
        report: (connection, health) => this.#report(index, connection, health),
        allow: (connection, attempts) => this.#allow(index, connection, attempts),
        unenforced: (connection, rule) => {
          if (!this.#closed) options.onUnenforced(connection as EndpointConnection, rule);
        },
        successes: (connection) => (connection as EndpointConnection | undefined)?.successes ?? options.successes(),
        panic: (on) => this.#declare(index, on),
      });
      if (typeof watch === "object" && watch !== null) return watch;
      throw new TypeError(`a health check returned ${String(watch)}: expected { ready?, ended?, outcome?, close? }`);
    });
    this.hearsAll = this.#watches.some((watch) => watch.outcome !== undefined && watch.sampled !== true);
  }

  /** Whether health is ignored, because too few connections could be used otherwise. */
  get panic(): boolean {
    return this.#panic;
  }

  /** What callers should know: how many endpoints are ejected, and whether there is a panic. Undefined: nothing. */
  describe(): string | undefined {
    const all = this.#ready.size;
    if (this.#panic) {
      return `panic: ${all - this.#weak} of ${all} connected endpoints pass health checks, so calls go to all of them`;
    }
    if (this.#ejected === 0) return undefined;
    return `${this.#ejected} of ${all} connected endpoints ${this.#ejected === 1 ? "is" : "are"} ejected`;
  }

  /** Undefined if no check uses outcomes. */
  get outcomes(): OutcomeListener | undefined {
    return this.#watches.some((watch) => watch.outcome !== undefined) ? this : undefined;
  }

  outcome(connection: Connection, outcome: Outcome): void {
    this.#notify("outcome", connection, outcome);
  }

  /** A connection may have become ready, may no longer be ready, or may have other attributes. */
  look(connection: EndpointConnection): void {
    if (this.#watches.length === 0 || this.#closed) return;
    const ready = this.#ready.get(connection);
    if (ready === undefined) {
      if (connection.state === "ready") this.#begin(connection);
    } else if (connection.state !== "ready") {
      this.#end(connection, ready);
    } else if (ready.incarnation !== connection.endpoint.incarnation) {
      ready.incarnation = connection.endpoint.incarnation;
      this.#notify("restarted", connection);
    }
  }

  #begin(connection: EndpointConnection): void {
    const { incarnation } = connection.endpoint;
    this.#ready.set(connection, { reports: [], restricts: [], incarnation, weak: false, ejected: false });
    connection.healthIgnored = this.#panic;
    const { background } = connection;
    if (background !== undefined) this.#notify("ready", connection, background);
    this.#panicTurned();
  }

  #end(connection: EndpointConnection, ready: Ready): void {
    this.#ready.delete(connection);
    this.#count(ready, false, false);
    connection.setHealth("serving");
    connection.allow(Infinity);
    this.#notify("ended", connection);
    this.#panicTurned();
  }

  /**
   * Notifies the watches. The first one may close the transport: then the others hear no more. Unlike `guarded`, it
   * needs no closure.
   */
  #notify(event: HealthEvent, connection: Connection, value?: unknown, except?: HealthWatch): void {
    for (const watch of this.#watches) {
      if (this.#closed || watch === except) continue;
      try {
        const method = watch[event] as ((connection: Connection, value: unknown) => unknown) | undefined;
        printRejection(`${event} of a health check`, method?.call(watch, connection, value));
      } catch (error) {
        printThrown(`${event} of a health check`, error);
      }
    }
  }

  #report(index: number, connection: Connection, health: Health): void {
    if (health !== "serving" && health !== "unknown" && !(health instanceof Error)) {
      throw new TypeError(`health ${String(health)}: expected "serving", "unknown" or an Error`);
    }
    const known = connection as EndpointConnection, ready = this.#ready.get(known);
    if (ready === undefined || this.#closed || (ready.reports[index] ?? "serving") === health) return;
    ready.reports[index] = health;
    if (health === "serving") this.#notify("recovered", connection, undefined, this.#watches[index]);
    this.#apply(known, ready);
  }

  #allow(index: number, connection: Connection, attempts: number): void {
    const known = connection as EndpointConnection, ready = this.#ready.get(known);
    if (ready === undefined || this.#closed) return;
    ready.restricts[index] = attempts < Infinity;
    // Another check may still restrict it.
    if (attempts < Infinity || !ready.restricts.includes(true)) known.allow(attempts);
    this.#apply(known, ready);
  }

  /** The checks said something about a connection. */
  #apply(connection: EndpointConnection, ready: Ready): void {
    const health = joined(ready.reports);
    this.#count(ready, health instanceof Error || connection.restricted, health instanceof Ejected);
    if (this.#panicTurned()) return;
    connection.healthIgnored = this.#panic;
    // The policy or a listener may cause another report, which then has the last word.
    if (connection.setHealth(health) && !this.#panic && connection.health === health) {
      this.#options.onHealth(connection, health);
    }
  }

  #count(ready: Ready, weak: boolean, ejected: boolean): void {
    this.#weak += Number(weak) - Number(ready.weak);
    this.#ejected += Number(ejected) - Number(ready.ejected);
    ready.weak = weak;
    ready.ejected = ejected;
  }

  #declare(index: number, on: boolean): boolean {
    this.#declared[index] = on;
    if (!this.#closed) this.#panicTurned();
    return this.#options.panicShare > 0;
  }

  /** Begins or ends a panic, if it is time to, and applies all that the checks said. Returns whether it did. */
  #panicTurned(): boolean {
    const { panicShare } = this.#options, all = this.#ready.size;
    const declared = panicShare > 0 && all > 0 && this.#declared.includes(true);
    const panic = declared || all - this.#weak < all * panicShare;
    if (panic === this.#panic) return false;
    this.#panic = panic;
    for (const [connection, { reports }] of [...this.#ready]) {
      const before = connection.heldBack ? connection.health : "serving";
      const health = joined(reports), now = panic ? "serving" : health;
      connection.healthIgnored = panic;
      connection.setHealth(health);
      if (now !== before && connection.health === health) this.#options.onHealth(connection, now);
      // A listener may have caused the next turn, which has been applied to all connections.
      if (this.#panic !== panic || this.#closed) return true;
    }
    this.#options.onPanic(panic);
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timers.close();
    for (const watch of this.#watches) guarded("close of a health check", () => watch.close?.());
  }
}

/** A connection is serving only if all checks say so. */
function joined(reports: readonly (Health | undefined)[]): Health {
  return reports.find((health) => health instanceof Error) ?? reports.find((health) => health === "unknown") ??
    "serving";
}
