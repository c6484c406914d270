import {
  type Check,
  checkOptions,
  type Checks,
  group,
  listOf,
  made,
  milliseconds,
  millisecondsFrom0,
  number,
  time,
} from "../option.ts";
import { defaultPolicy } from "./default-policy.ts";
import { byLoadReports } from "./load-report-weights.ts";
import type { Policy } from "./policy.ts";

/** Options of {@link weightedRoundRobin}. */
export interface WeightedRoundRobinOptions {
  /**
   * Go by what servers report of their load, instead of the weights that they registered with. `{}` reads the reports
   * that come with answers. Defaults to off.
   */
  readonly loadReports?: LoadReportWeightOptions;
}

/** How {@link weightedRoundRobin} goes by load reports: the config of gRPC's `weighted_round_robin` (gRFC A58). */
export interface LoadReportWeightOptions {
  /**
   * Ask each server to report at this interval, in milliseconds, on a stream of `OpenRcaService` beside the calls;
   * reports that come with answers are then ignored. Servers of grpc-go report every 30 s at most, whatever the
   * interval, and so do those of this library by default (`reportLoad({ minReportIntervalMs })`). Defaults to
   * none: reports come with answers. gRPC's `enableOobLoadReport` and `oobReportingPeriod`.
   */
  readonly outOfBandPeriodMs?: number;
  /**
   * How long a server must have reported until its weight is used, in milliseconds: what it reports right after its
   * start says little. Until then it counts as average. Defaults to 10,000. gRPC's `blackoutPeriod`.
   */
  readonly blackoutPeriodMs?: number;
  /**
   * How long the last report counts, in milliseconds. Defaults to 180,000. gRPC's `weightExpirationPeriod`.
   */
  readonly expirationPeriodMs?: number;
  /**
   * How often weights are renewed, in milliseconds from 100. Defaults to 1,000. gRPC's `weightUpdatePeriod`.
   */
  readonly updatePeriodMs?: number;
  /**
   * How much errors count: this times the share of calls that fail is added to the utilization. 0: they don't. Defaults
   * to 1. gRPC's `errorUtilizationPenalty`.
   */
  readonly errorUtilizationPenalty?: number;
  /**
   * The metrics that say how busy a server is; the greatest counts. `application_utilization`, `cpu_utilization`,
   * `mem_utilization`, or one of those by name: `named_metrics.queue`, `utilization.disk`. Where a server reports none
   * of them, and by default, it is `application_utilization`, or `cpu_utilization` if that isn't reported either. gRPC's
   * `metricNamesForComputingUtilization` (gRFC A114).
   */
  readonly metricNames?: readonly string[];
}

const LOAD_REPORTS: Checks<LoadReportWeightOptions> = {
  outOfBandPeriodMs: time("milliseconds above 0, but not Infinity", (value) => value > 0 && value < Infinity),
  blackoutPeriodMs: millisecondsFrom0,
  expirationPeriodMs: milliseconds,
  updatePeriodMs: time("milliseconds from 100", (value) => value >= 100),
  errorUtilizationPenalty: number("a number from 0", (value) => value >= 0 && value < Infinity),
  metricNames: metricNames(),
};

const OPTIONS: Checks<WeightedRoundRobinOptions> = {
  loadReports: group("an object, such as {}", "weightedRoundRobin()", LOAD_REPORTS),
};

/**
 * Each endpoint gets a share of the calls in proportion to its weight. It is the default, and exactly
 * {@link roundRobin} as long as all weights are the same.
 *
 * Weights are those that servers register with (`register({ weight })`), relative to each other: 9, 1 and 1 make 9 of 11
 * calls, 1 and 1. An endpoint without one has the mean of the others'. A weight further than a factor of 100 from the
 * median counts as 100 times the median, or as 1/100 of it. A new weight takes effect with the next call.
 *
 * With `loadReports` it is gRPC's `weighted_round_robin` (gRFC A58): weights follow from what servers report of their
 * load (ORCA; on servers of this library, `reportLoad()`): calls per second divided by utilization. Endpoints that
 * report nothing count as average, and if there are fewer than two that do, it is round robin.
 *
 * Calls are spread by gRPC's static stride scheduler: evenly, without random numbers, so that shares are right within a
 * few calls.
 *
 * @throws TypeError or RangeError for an invalid option.
 */
export function weightedRoundRobin(options: WeightedRoundRobinOptions = {}): Policy {
  checkOptions("weightedRoundRobin()", options, OPTIONS);
  const { loadReports } = options;
  if (loadReports === undefined) return defaultPolicy();
  return byLoadReports({
    outOfBandPeriodMs: loadReports.outOfBandPeriodMs,
    blackoutPeriodMs: loadReports.blackoutPeriodMs ?? 10_000,
    expirationPeriodMs: loadReports.expirationPeriodMs ?? 180_000,
    updatePeriodMs: loadReports.updatePeriodMs ?? 1_000,
    errorUtilizationPenalty: loadReports.errorUtilizationPenalty ?? 1,
    metricNames: [...loadReports.metricNames ?? []],
  });
}

made(weightedRoundRobin);

function metricNames(): Check {
  const form = /^(application_utilization|cpu_utilization|mem_utilization|(named_metrics|utilization)\..+)$/s;
  const expected = 'an array of names such as "mem_utilization" or "named_metrics.queue"';
  return listOf(expected, (name) => typeof name === "string" && form.test(name));
}
