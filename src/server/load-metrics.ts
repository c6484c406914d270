// What a server's own code adds to its load reports.

import { type ContextKey, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { byName, checkOptions, type Checks, number } from "../option.ts";

/** What a server reports of itself beside what is measured, with the meanings of ORCA (gRFC A51). */
export interface LoadMetrics {
  /**
   * How busy the server is by its own reckoning, from 0; above 1 when a limit is exceeded that it can exceed. Policies
   * such as gRPC's `weighted_round_robin` prefer it to `cpuUtilization`. Defaults to not reported.
   */
  readonly applicationUtilization?: number | undefined;
  /** The fraction of the available CPU that is used, from 0. Defaults to what is measured; see {@link reportLoad}. */
  readonly cpuUtilization?: number | undefined;
  /** The fraction of the available memory that is used, from 0 to 1. Defaults to not reported. */
  readonly memUtilization?: number | undefined;
  /** The fractions of other resources that are used, by name, each from 0 to 1. */
  readonly utilization?: Readonly<Record<string, number>> | undefined;
  /** Whatever else clients balance by, by name: the length of a queue, for example. */
  readonly namedMetrics?: Readonly<Record<string, number>> | undefined;
}

/** What one call reports, in place of the server's metrics of the same name. */
export interface CallMetrics extends LoadMetrics {
  /** What the call cost, in units of your choice, by name: rows read, bytes stored. */
  readonly requestCost?: Readonly<Record<string, number>> | undefined;
}

const isName = (name: string) => name !== "";
const from0 = number("a number from 0", (value) => value >= 0 && value < Infinity);
const fraction = number("a number from 0 to 1", (value) => value >= 0 && value <= 1);
const finite = number("a finite number", Number.isFinite);

const SERVER: Checks<LoadMetrics> = {
  applicationUtilization: from0,
  cpuUtilization: from0,
  memUtilization: fraction,
  utilization: byName("an object of numbers from 0 to 1", isName, fraction),
  namedMetrics: byName("an object of numbers", isName, finite),
};
const CALL: Checks<CallMetrics> = { ...SERVER, requestCost: byName("an object of numbers", isName, finite) };

/** @throws TypeError or RangeError for an unknown metric, or one that is out of range. */
export function checkLoadMetrics(metrics: LoadMetrics): void {
  checkOptions("set()", metrics, SERVER);
}

/** Where a call keeps what it reports. */
const key: ContextKey<CallMetrics | undefined> = createContextKey<CallMetrics | undefined>(undefined, {
  description: "connect-lb: what a call reports of its load",
});

/**
 * Adds to what the load report of this call says, if the server sends load reports (see {@link reportLoad}): call it in
 * a method's implementation, before the call ends.
 *
 * @throws TypeError or RangeError for an unknown metric, or one that is out of range.
 */
export function recordCallMetrics(context: Pick<HandlerContext, "values">, metrics: CallMetrics): void {
  checkOptions("recordCallMetrics()", metrics, CALL);
  context.values.set(key, merged(context.values.get(key), metrics));
}

/** What a call has recorded. */
export function callMetricsOf(values: HandlerContext["values"]): CallMetrics | undefined {
  return values.get(key);
}

/** The metrics of both; of two with one name the second. */
export function merged(first: CallMetrics | undefined, second: CallMetrics | undefined): CallMetrics {
  if (first === undefined || second === undefined) return first ?? second ?? {};
  return {
    applicationUtilization: second.applicationUtilization ?? first.applicationUtilization,
    cpuUtilization: second.cpuUtilization ?? first.cpuUtilization,
    memUtilization: second.memUtilization ?? first.memUtilization,
    utilization: { ...first.utilization, ...second.utilization },
    namedMetrics: { ...first.namedMetrics, ...second.namedMetrics },
    requestCost: { ...first.requestCost, ...second.requestCost },
  };
}
