import type { Connection, Health, Outcome } from "../connection/connection.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import { guarded } from "../listener.ts";
import type { Clock } from "../time/clock.ts";
import { TimerGroup } from "../time/timer-group.ts";
import type { HealthCheck, HealthWatch } from "./health.ts";

/** Options of {@link HealthHost}. */
export interface HealthHostOptions {
  readonly checks: readonly HealthCheck[];
  /** Panic threshold: if less than this share of the ready connections is serving, none is held back. */
  readonly panicShare: number;
  readonly clock: Clock;
  readonly random: () => number;
  /** A connection's health has changed. */
  onHealth(connection: EndpointConnection): void;
}

/**
 * Runs the health checks of one transport: notifies them of connections, combines their reports, and applies the panic
 * threshold.
 */
export class HealthHost {
  readonly #options: HealthHostOptions;
  readonly #watches: readonly HealthWatch[];
  readonly #timers: TimerGroup;
  /** What each check reported for each ready connection; undefined means serving. */
  readonly #reports = new Map<EndpointConnection, (Health | undefined)[]>();
  /** How often the reports were applied. */
  #applied = 0;
  /** Undefined if no check uses outcomes. */
  readonly onOutcome: ((connection: Connection, outcome: Outcome) => void) | undefined;
  #panic = false;
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
      });
      if (typeof watch === "object" && watch !== null) return watch;
      throw new TypeError(`a health check returned ${String(watch)}: expected { ready?, ended?, outcome?, close? }`);
    });
    if (!this.#watches.some((watch) => watch.outcome !== undefined)) return;
    this.onOutcome = (connection, outcome) => this.#notify("outcome", (watch) => watch.outcome?.(connection, outcome));
  }

  /** Whether health is ignored, because too few connections could be used otherwise. */
  get panic(): boolean {
    return this.#panic;
  }

  /** A connection may have become ready, or may no longer be ready. */
  look(connection: EndpointConnection): void {
    if (this.#watches.length === 0 || this.#closed) return;
    const ready = connection.state === "ready";
    if (ready === this.#reports.has(connection)) return;
    if (ready) {
      this.#reports.set(connection, []);
      const { background } = connection;
      if (background !== undefined) this.#notify("ready", (watch) => watch.ready?.(connection, background));
    } else {
      this.#reports.delete(connection);
      connection.setHealth("serving");
      this.#notify("ended", (watch) => watch.ended?.(connection));
    }
    this.#apply();
  }

  /** Notifies the watches. The first one may close the transport: then the others hear no more. */
  #notify(what: string, callback: (watch: HealthWatch) => void): void {
    for (const watch of this.#watches) if (!this.#closed) guarded(`${what} of a health check`, () => callback(watch));
  }

  #report(index: number, connection: Connection, health: Health): void {
    if (health !== "serving" && health !== "unknown" && !(health instanceof Error)) {
      throw new TypeError(`health ${String(health)}: expected "serving", "unknown" or an Error`);
    }
    const reports = this.#reports.get(connection as EndpointConnection);
    if (reports === undefined || this.#closed || (reports[index] ?? "serving") === health) return;
    reports[index] = health;
    this.#apply();
  }

  #apply(): void {
    const now = ++this.#applied;
    const all = [...this.#reports].map(([connection, reports]) => [connection, joined(reports)] as const);
    const serving = all.filter(([, health]) => health === "serving").length;
    const panic = this.#panic = serving < all.length * this.#options.panicShare;
    for (const [connection, health] of all) {
      const shown = panic ? "serving" : health;
      if (connection.setHealth(shown) && connection.health === shown) this.#options.onHealth(connection);
      // The policy or a listener may have caused another report, which has been applied to all connections.
      if (this.#applied !== now) return;
    }
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
