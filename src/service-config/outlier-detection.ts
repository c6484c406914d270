import type { EjectOutliersOptions } from "../health/outlier-options.ts";
import type { JsonValue } from "./json-value.ts";

const LARGEST_UINT32 = 4_294_967_295;

/**
 * The config of `outlier_detection_experimental`, with the defaults of gRFC A50: only the algorithms that it has, so no
 * ejection after consecutive failures. Which codes count as failures is as in `ejectOutliers`.
 */
export function outliersOf(config: JsonValue): EjectOutliersOptions | false {
  const successRate = algorithm(config.field("successRateEjection"), (ejection) => ({
    stdevFactor: ejection.field("stdevFactor")?.wholeNumber(0, LARGEST_UINT32) ?? 1_900,
    minimumHosts: count(ejection, "minimumHosts", 5),
    requestVolume: count(ejection, "requestVolume", 100),
  }));
  const failurePercentage = algorithm(config.field("failurePercentageEjection"), (ejection) => ({
    threshold: ejection.field("threshold")?.wholeNumber(0, 100) ?? 85,
    minimumHosts: count(ejection, "minimumHosts", 5),
    requestVolume: count(ejection, "requestVolume", 50),
  }));
  const baseEjectionMs = Math.max(1, config.field("baseEjectionTime")?.durationMs() ?? 30_000);
  const maxEjectionMs = Math.max(1, config.field("maxEjectionTime")?.durationMs() ?? 300_000);
  const intervalMs = config.field("interval")?.durationAbove0Ms() ?? 10_000;
  const maxEjectionPercent = config.field("maxEjectionPercent")?.wholeNumber(0, 100) ?? 10;
  if (maxEjectionPercent === 0 || (!successRate && !failurePercentage)) return false;
  return {
    consecutiveFailures: false,
    successRate,
    failurePercentage,
    intervalMs,
    baseEjectionMs,
    maxEjectionMs,
    maxEjectionPercent,
  };
}

/** An algorithm's options; false if it is absent or not enforced. */
function algorithm<Options>(ejection: JsonValue | undefined, read: (from: JsonValue) => Options): Options | false {
  if (ejection === undefined) return false;
  const options = read(ejection), enforcement = ejection.field("enforcementPercentage");
  const percentage = enforcement?.wholeNumber(0, 100);
  if (percentage === 0) return false;
  if (percentage !== undefined && percentage < 100) {
    throw enforcement!.error(`${percentage} is not supported: expected 0 or 100`);
  }
  return options;
}

/** A number of hosts or calls; none is as good as one. */
function count(ejection: JsonValue, name: string, otherwise: number): number {
  return Math.max(1, ejection.field(name)?.wholeNumber(0, LARGEST_UINT32) ?? otherwise);
}
