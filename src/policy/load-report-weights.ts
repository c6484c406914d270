import type { Connection, Outcome } from "../connection/connection.ts";
import { CirclePicker, connectAll } from "./circle.ts";
import { loadReportIn } from "./load-report.ts";
import { OutOfBandReports } from "./out-of-band-reports.ts";
import type { CallInfo, Picker, Policy, PolicyEnvironment, PolicySnapshot, ReportedWeights } from "./policy.ts";
import { ReportedWeight, type ReportedWeightSettings } from "./reported-weight.ts";
import { weightedPicker } from "./weighted-picker.ts";

/** The options of `weightedRoundRobin({ loadReports })`, with their defaults. */
export interface LoadReportWeightSettings extends ReportedWeightSettings {
  readonly updatePeriodMs: number;
  /** Undefined: reports come with answers. */
  readonly outOfBandPeriodMs: number | undefined;
}

/** What is known of one endpoint. */
interface Endpoint {
  readonly weight: ReportedWeight;
  ready: boolean;
  incarnation: string | undefined;
}

/** Weighted round robin by load reports (gRFC A58). */
export function byLoadReports(settings: LoadReportWeightSettings): Policy {
  const endpoints = new WeakMap<Connection, Endpoint>();
  const endpointOf = (connection: Connection): Endpoint => {
    let endpoint = endpoints.get(connection);
    if (endpoint === undefined) {
      endpoints.set(connection, endpoint = { weight: new ReportedWeight(), ready: false, incarnation: undefined });
    }
    return endpoint;
  };
  return (connections, previous, env) => {
    connectAll(connections);
    const before = previous instanceof LoadReportPicker ? previous : undefined;
    for (const connection of connections) look(endpointOf(connection), connection);
    return new LoadReportPicker({ settings, connections, weightOf: (of) => endpointOf(of).weight, env }, before);
  };
}

/** A server that is ready again, or registered anew, may have been restarted: its reports begin anew. */
function look(endpoint: Endpoint, { state, endpoint: { incarnation } }: Connection): void {
  const ready = state === "ready";
  if (ready && (!endpoint.ready || endpoint.incarnation !== incarnation)) endpoint.weight.restarted();
  endpoint.ready = ready;
  endpoint.incarnation = incarnation;
}

/** What a picker works with. */
interface Reported {
  readonly settings: LoadReportWeightSettings;
  readonly connections: readonly Connection[];
  readonly weightOf: (connection: Connection) => ReportedWeight;
  readonly env: PolicyEnvironment;
}

/** Renews its weights when a pick finds them too old, so that there need be no timers. */
class LoadReportPicker extends CirclePicker {
  readonly #reported: Reported;
  readonly #outOfBand: OutOfBandReports | undefined;
  readonly #periodMs: number;
  #picker: CirclePicker;
  #dueMs = 0;

  constructor(reported: Reported, before: LoadReportPicker | undefined) {
    super();
    const { settings, connections, weightOf, env } = this.#reported = reported;
    this.#periodMs = settings.updatePeriodMs;
    const { outOfBandPeriodMs } = settings;
    if (outOfBandPeriodMs !== undefined) {
      this.#outOfBand = before === undefined ? undefined : before.#outOfBand;
      this.#outOfBand ??= new OutOfBandReports(env, outOfBandPeriodMs, (connection, report) => {
        weightOf(connection).update(report, env.now(), settings);
      });
      for (const connection of connections) this.#outOfBand.follow(connection);
    }
    this.#picker = this.#renewed(before === undefined ? undefined : before.#picker);
  }

  get last(): Connection | undefined {
    return this.#picker.last;
  }

  pick(call: CallInfo): Connection | "wait" | Error {
    if (this.#reported.env.now() >= this.#dueMs) this.#picker = this.#renewed(this.#picker);
    return this.#picker.pick(call);
  }

  #renewed(previous: Picker | undefined): CirclePicker {
    const { settings, connections, weightOf, env } = this.#reported, nowMs = env.now();
    this.#dueMs = nowMs + this.#periodMs;
    const weights = connections.map((connection) => weightOf(connection).weight(nowMs, settings));
    const { reportWeights } = env;
    if (reportWeights !== undefined) report(reportWeights, this.#reported, weights);
    return weightedPicker(connections, weights, previous, env);
  }

  done(connection: Connection, outcome: Outcome): void {
    if (this.#outOfBand !== undefined) return;
    const report = loadReportIn(outcome.trailer);
    const { settings, weightOf, env } = this.#reported;
    if (report !== undefined) weightOf(connection).update(report, env.now(), settings);
  }

  /** Its weight by its own reports; undefined as long as none is usable. */
  describe(connection: Connection): PolicySnapshot {
    const { settings, weightOf, env } = this.#reported;
    return { weight: weightOf(connection).weight(env.now(), settings) || undefined };
  }

  close(): void {
    this.#outOfBand?.close();
  }
}

/** Reports what the metrics of gRFC A78 count. As in gRPC, a connection that is not ready counts for nothing. */
function report(
  to: (weights: ReportedWeights) => void,
  { settings, connections, weightOf, env }: Reported,
  all: readonly number[],
): void {
  const ready = connections.flatMap((connection, i) => connection.state === "ready" ? i : []);
  if (ready.length === 0) return;
  const weights = ready.map((i) => all[i]!), nowMs = env.now();
  const unusable = ready.filter((i) => all[i] === 0);
  const stale = unusable.filter((i) => weightOf(connections[i]!).stale(nowMs, settings)).length;
  to({
    weights,
    notYetUsable: unusable.length - stale,
    stale,
    fallback: ready.length - unusable.length < 2,
  });
}
