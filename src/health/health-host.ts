import type { Connection, Health, Outcome } from "../connection/connection.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
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
  readonly #reports = new Map<Connection, (Health | undefined)[]>();
  /** Undefined if no check uses outcomes. */
  readonly onOutcome: ((connection: Connection, outcome: Outcome) => void) | undefined;
  #closed = false;

  constructor(options: HealthHostOptions) {
    this.#options = options;
    const { clock, random } = options;
    const timers = this.#timers = new TimerGroup(clock, "a health check");
    this.#watches = options.checks.map((check, index) =>
      check({
        now: () => clock.now(),
        random,
        timer: (delayMs, callback) => timers.add(delayMs, callback),
        report: (connection, health) => this.#report(index, connection, health),
      })
    );
    if (!this.#watches.some((watch) => watch.outcome !== undefined)) return;
    this.onOutcome = (connection, outcome) => {
      for (const watch of this.#watches) attempt("outcome", () => watch.outcome?.(connection, outcome));
    };
  }

  /** A connection may have become ready, or may no longer be ready. */
  look(connection: EndpointConnection): void {
    if (this.#watches.length === 0 || this.#closed) return;
    const ready = connection.state === "ready";
    if (ready === this.#reports.has(connection)) return;
    if (ready) {
      this.#reports.set(connection, []);
      for (const watch of this.#watches) attempt("ready", () => watch.ready?.(connection, connection.transport));
    } else {
      this.#reports.delete(connection);
      connection.setHealth("serving");
      for (const watch of this.#watches) attempt("ended", () => watch.ended?.(connection));
    }
    this.#apply();
  }

  #report(index: number, connection: Connection, health: Health): void {
    if (health !== "serving" && health !== "unknown" && !(health instanceof Error)) {
      throw new TypeError(`health ${String(health)}: expected "serving", "unknown" or an Error`);
    }
    const reports = this.#reports.get(connection);
    if (reports === undefined || this.#closed || (reports[index] ?? "serving") === health) return;
    reports[index] = health;
    this.#apply();
  }

  #apply(): void {
    const all = [...this.#reports].map(([connection, reports]) =>
      [connection as EndpointConnection, joined(reports)] as const
    );
    const serving = all.filter(([, health]) => health === "serving").length;
    const panic = serving < all.length * this.#options.panicShare;
    for (const [connection, health] of all) {
      if (connection.setHealth(panic ? "serving" : health)) this.#options.onHealth(connection);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timers.close();
    for (const watch of this.#watches) attempt("close", () => watch.close?.());
  }
}

/** A connection is serving only if all checks say so. */
function joined(reports: readonly (Health | undefined)[]): Health {
  return reports.find((health) => health instanceof Error) ?? reports.find((health) => health === "unknown") ??
    "serving";
}

function attempt(what: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    console.error(`connect-lb: ${what} of a health check threw`, error);
  }
}
