import type { DescMethod } from "@bufbuild/protobuf";
import type { Connection, Outcome } from "../connection/connection.ts";
import { checkOptions, type Checks, made, makes, milliseconds, number, wholeNumber } from "../option.ts";
import { connectAll } from "./circle.ts";
import { leastRequest } from "./least-request.ts";
import { MedianLatency } from "./median-latency.ts";
import type { CallInfo, Picker, PickResult, Policy, PolicySnapshot } from "./policy.ts";
import { ServerLoads } from "./server-loads.ts";

/** Options of {@link prequal}. */
export interface PrequalOptions {
  /**
   * How old a server's report of its load may be, in milliseconds, until it is forgotten; and how long the answer to a
   * probe may take. Defaults to 1,000.
   */
  readonly maxAgeMs?: number;
  /**
   * The most probes per second, and the most reports per second that are read from the answers to calls: what it may
   * cost to know the load. Calls above this rate are balanced by `otherwise`. Defaults to 1,000.
   */
  readonly maxProbesPerSecond?: number;
  /**
   * With fewer servers than this available, `otherwise` decides alone, and there are no probes: what a client sees of
   * so few servers by itself is as good. Defaults to 5.
   */
  readonly minServers?: number;
  /**
   * What decides where the load of servers is not known: while fewer than two reports are fresh, where fewer than half
   * of the servers report, with fewer than `minServers`, and for methods whose calls usually take less than a
   * millisecond, for which a probe would cost too much. Its pickers are notified of the end of all attempts. Defaults to
   * `leastRequest()`.
   */
  readonly otherwise?: Policy;
}

const OPTIONS: Checks<PrequalOptions> = {
  maxAgeMs: milliseconds,
  maxProbesPerSecond: number("a number above 0", (value) => value > 0 && value < Infinity),
  minServers: wholeNumber(1),
  otherwise: makes("a policy, such as leastRequest()", (value) => typeof value === "function"),
};

/** Below this median, in milliseconds, a call is not worth a probe. */
const WORTHWHILE_MS = 1;

/**
 * Each call goes to the server with the fewest requests in flight among the few that reported their load last:
 * _probing to reduce queuing and latency_, Prequal (Wydrowski et al., "Load is not what you should balance", NSDI
 * 2024). What a client knows by itself is only its own part of a server's load; with many clients, asking servers cuts
 * the tail of latencies to a fraction.
 *
 * For each call, one server, chosen at random, is asked for its load, on the connection that is there, while the call
 * is on its way: the answer serves later calls. The probe is `grpc.health.v1.Health/Check`, whose answer carries a load
 * report in its trailers (ORCA, `endpoint-load-metrics-bin`, with the named metrics `rif`, the requests in flight, and
 * `latency_ms`), as those of ordinary calls do. Servers of this library report their load with `reportLoad()`; what
 * others need is in docs/policies.md. A server without the health service, or without reports, counts as loaded as
 * others are on average.
 *
 * Links that are not gRPC's carry no probes: there, as far as answers bring no reports, `otherwise` decides.
 *
 * @throws TypeError or RangeError for an invalid option.
 */
export function prequal(options: PrequalOptions = {}): Policy {
  checkOptions("prequal()", options, OPTIONS);
  const { maxAgeMs = 1_000, maxProbesPerSecond = 1_000, minServers = 5, otherwise = leastRequest() } = options;
  return (connections, previous, env) => {
    const before = previous instanceof PrequalPicker ? previous : undefined;
    const other = otherwise(connections, before?.otherwise ?? previous, env);
    const loads = before?.loads ?? new ServerLoads(env, { maxAgeMs, maxProbesPerSecond, minServers });
    connectAll(connections);
    loads.update(connections);
    return new PrequalPicker(other, loads, before?.medians ?? new MedianLatency());
  };
}

made(prequal);

/** The picker of {@link prequal}. All pickers of a transport share what they know. */
class PrequalPicker implements Picker {
  readonly otherwise: Picker;
  readonly loads: ServerLoads;
  readonly medians: MedianLatency;

  constructor(otherwise: Picker, loads: ServerLoads, medians: MedianLatency) {
    this.otherwise = otherwise;
    this.loads = loads;
    this.medians = medians;
  }

  pick(call: CallInfo): Connection | PickResult | "wait" | Error {
    const { loads } = this;
    if (!loads.enough || !this.#worthwhile(call.method) || !loads.mayProbe()) return this.otherwise.pick(call);
    const picked = loads.pick(call) ?? this.otherwise.pick(call);
    if (typeof picked === "object" && !(picked instanceof Error)) loads.probe();
    return picked;
  }

  done(connection: Connection, outcome: Outcome, call: CallInfo): void {
    this.otherwise.done?.(connection, outcome, call);
    const { abandoned, code, headerMs } = outcome, { method } = call;
    if (code === undefined && headerMs !== undefined && !abandoned) this.medians.add(method, headerMs);
    if (this.loads.enough && this.#worthwhile(method)) this.loads.ended(connection, outcome);
  }

  describe(connection: Connection): PolicySnapshot {
    return { ...this.otherwise.describe?.(connection), ...this.loads.describe(connection) };
  }

  close(): void {
    this.otherwise.close?.();
  }

  #worthwhile(method: DescMethod): boolean {
    return this.medians.of(method) > WORTHWHILE_MS;
  }
}
