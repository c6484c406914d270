import { Code } from "@connectrpc/connect";
import { type Checks, fieldsOrFalse, listOf, milliseconds, number, wholeNumber, withDefaults } from "../option.ts";
import type { FailurePercentageOptions } from "./failure-percentage.ts";
import type { ConsecutiveFailuresOptions } from "./failure-run.ts";
import type { SuccessRateOptions } from "./success-rate.ts";

/**
 * When endpoints are ejected whose calls fail: taken out of rotation for a while, with their connections kept. gRPC's
 * `outlier_detection` (gRFC A50), and what Envoy and Linkerd add to it.
 *
 * What counts as a failure: Unavailable; a lost connection, once however many calls were in flight; DeadlineExceeded, if
 * the attempt had at least twice the time that calls of its method usually take in all of the fleet. What the caller
 * aborts and what a server that is draining refuses doesn't count, nor do ResourceExhausted, Canceled, Internal, Unknown
 * and DataLoss. An answer with any other code is a success: the server works.
 */
export interface EjectOutliersOptions {
  /** Ejects an endpoint whose calls fail one after the other; `false`: doesn't. Defaults to `{}`. */
  readonly consecutiveFailures?: ConsecutiveFailuresOptions | false;
  /** Ejects endpoints that fail more than a share of their calls; `false`: doesn't. Defaults to `{}`. */
  readonly failurePercentage?: FailurePercentageOptions | false;
  /** Ejects endpoints whose calls succeed far more rarely than others'; `false`: doesn't. Defaults to `{}`. */
  readonly successRate?: SuccessRateOptions | false;
  /**
   * The codes that count as failures. Defaults to Unavailable and DeadlineExceeded. Internal, Unknown and DataLoss can
   * be added where no request of a client can cause them on every server.
   */
  readonly codes?: readonly Code[];
  /** How often percentages and rates are looked at, in milliseconds. Defaults to 10,000. */
  readonly intervalMs?: number;
  /**
   * How long an endpoint is ejected the first time because of a percentage or rate, in milliseconds; the second time in
   * a row twice as long, and so on. Defaults to 30,000.
   */
  readonly baseEjectionMs?: number;
  /** The longest that an endpoint is ejected, in milliseconds. Defaults to 300,000. */
  readonly maxEjectionMs?: number;
  /**
   * How many of 100 endpoints may be ejected at a time, from 1 to 100; at least one may be, but never the only one that
   * is ready. Defaults to 50, and one of up to four endpoints.
   */
  readonly maxEjectionPercent?: number;
}

const isCode = (value: unknown) => typeof value === "number" && Code[value] !== undefined;
const hosts = wholeNumber(1);
const calls = wholeNumber(1);
const TAKER = "createBalancedTransport()";

const CONSECUTIVE: Checks<ConsecutiveFailuresOptions> = {
  failures: wholeNumber(1),
  withinMs: milliseconds,
  baseEjectionMs: milliseconds,
};
const PERCENTAGE: Checks<FailurePercentageOptions> = {
  threshold: number("a number from 0 to 100", (value) => value >= 0 && value <= 100),
  requestVolume: calls,
  minimumHosts: hosts,
};
const RATE: Checks<SuccessRateOptions> = {
  stdevFactor: number("a number from 0", (value) => value >= 0 && value < Infinity),
  requestVolume: calls,
  minimumHosts: hosts,
};

/** The checks of {@link EjectOutliersOptions}. */
export const EJECT_OUTLIERS: Checks<EjectOutliersOptions> = {
  consecutiveFailures: fieldsOrFalse(TAKER, CONSECUTIVE),
  failurePercentage: fieldsOrFalse(TAKER, PERCENTAGE),
  successRate: fieldsOrFalse(TAKER, RATE),
  codes: listOf("an array of Connect codes, such as Code.Unavailable", isCode),
  intervalMs: milliseconds,
  baseEjectionMs: milliseconds,
  maxEjectionMs: milliseconds,
  maxEjectionPercent: number("a number from 1 to 100", (value) => value >= 1 && value <= 100),
};

/** The options with their defaults. */
export interface OutlierSettings {
  readonly consecutiveFailures: Required<ConsecutiveFailuresOptions> | undefined;
  readonly failurePercentage: Required<FailurePercentageOptions> | undefined;
  readonly successRate: Required<SuccessRateOptions> | undefined;
  readonly codes: ReadonlySet<Code>;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectionPercent: number | undefined;
}

/** Fills in the defaults. */
export function outlierSettings(options: EjectOutliersOptions): OutlierSettings {
  const { consecutiveFailures, failurePercentage, successRate, codes } = options;
  return {
    consecutiveFailures: ruleOf(consecutiveFailures, { failures: 5, withinMs: 60_000, baseEjectionMs: 5_000 }),
    failurePercentage: ruleOf(failurePercentage, { threshold: 50, requestVolume: 10, minimumHosts: 2 }),
    successRate: ruleOf(successRate, { stdevFactor: 1_900, requestVolume: 100, minimumHosts: 5 }),
    codes: new Set(codes ?? [Code.Unavailable, Code.DeadlineExceeded]),
    intervalMs: options.intervalMs ?? 10_000,
    baseEjectionMs: options.baseEjectionMs ?? 30_000,
    maxEjectionMs: options.maxEjectionMs ?? 300_000,
    maxEjectionPercent: options.maxEjectionPercent,
  };
}

function ruleOf<Options extends object>(
  options: Options | false | undefined,
  defaults: Required<Options>,
): Required<Options> | undefined {
  return options === false ? undefined : withDefaults(options ?? {} as Options, defaults);
}
