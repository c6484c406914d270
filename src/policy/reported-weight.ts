import { type LoadReport, utilizationOf } from "./load-report.ts";

/** How weights follow from load reports; see `LoadReportWeightOptions`. */
export interface ReportedWeightSettings {
  readonly blackoutPeriodMs: number;
  readonly expirationPeriodMs: number;
  readonly errorUtilizationPenalty: number;
  readonly metricNames: readonly string[];
}

/**
 * The weight of one endpoint by its load reports (gRFC A58): the calls that it serves per second, divided by how busy it
 * is with them, so that one that is half as busy with as many calls gets twice as many.
 */
export class ReportedWeight {
  #weight = 0;
  /** Since when it has had reports without a break. */
  #sinceMs = Infinity;
  #updatedMs = -Infinity;

  /** There is a new report. One without calls, or without utilization, says nothing. */
  update(report: LoadReport, nowMs: number, settings: ReportedWeightSettings): void {
    const { rpsFractional: qps, eps } = report;
    let utilization = utilizationOf(report, settings.metricNames);
    if (!(utilization > 0 && qps > 0)) return;
    if (eps > 0) utilization += eps / qps * settings.errorUtilizationPenalty;
    const weight = qps / utilization;
    // What is near infinity on either side can't be real.
    if (!(weight > 0 && weight < Infinity)) return;
    this.#weight = weight;
    if (this.#sinceMs === Infinity) this.#sinceMs = nowMs;
    this.#updatedMs = nowMs;
  }

  /** The server may be another one, or has just started. */
  restarted(): void {
    this.#sinceMs = Infinity;
  }

  /** 0 if none is usable, because the reports are too new or too old. */
  weight(nowMs: number, { blackoutPeriodMs, expirationPeriodMs }: ReportedWeightSettings): number {
    if (nowMs - this.#updatedMs >= expirationPeriodMs) {
      this.#sinceMs = Infinity;
      return 0;
    }
    return blackoutPeriodMs > 0 && nowMs - this.#sinceMs < blackoutPeriodMs ? 0 : this.#weight;
  }

  /** Whether there were reports, and the last one is too old. */
  stale(nowMs: number, { expirationPeriodMs }: ReportedWeightSettings): boolean {
    return this.#updatedMs !== -Infinity && nowMs - this.#updatedMs >= expirationPeriodMs;
  }
}
