// What a producer of metrics gives to OpenTelemetry's SDK, as types of our own: they fit `MetricProducer` of
// `@opentelemetry/sdk-metrics` 2.0 and later.

import type { Attributes } from "./api.ts";

/** Seconds since the epoch, and nanoseconds. */
export type HrTime = [number, number];

/** One series at one moment. */
export interface DataPoint<T> {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly attributes: Attributes;
  readonly value: T;
}

/** The value of a histogram. */
export interface HistogramValue {
  readonly buckets: { boundaries: number[]; counts: number[] };
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

/** What is common to all series of a metric. */
interface MetricBase {
  readonly descriptor: {
    readonly name: string;
    readonly description: string;
    readonly unit: string;
    /** 0: integers, 1: doubles. */
    readonly valueType: 0 | 1;
  };
  /** Cumulative, from the series' `startTime` on. */
  readonly aggregationTemporality: 1;
}

/** A histogram with its series. */
export interface HistogramMetric extends MetricBase {
  readonly dataPointType: 0;
  readonly dataPoints: DataPoint<HistogramValue>[];
}

/** A gauge with its series. */
export interface GaugeMetric extends MetricBase {
  readonly dataPointType: 2;
  readonly dataPoints: DataPoint<number>[];
}

/** A counter with its series. */
export interface SumMetric extends MetricBase {
  readonly dataPointType: 3;
  readonly isMonotonic: boolean;
  readonly dataPoints: DataPoint<number>[];
}

/** A metric with its series. */
export type Metric = HistogramMetric | GaugeMetric | SumMetric;

/** The resource of a reader's metrics is the one of its provider: this one only fills the place. */
export interface EmptyResource {
  readonly asyncAttributesPending: boolean;
  readonly attributes: Attributes;
  merge<R>(other: R | null): R;
  getRawAttributes(): [string, undefined][];
}

/** What a {@link MetricProducer} yields. */
export interface CollectedMetrics {
  resourceMetrics: {
    resource: EmptyResource;
    scopeMetrics: { scope: { name: string; version?: string }; metrics: Metric[] }[];
  };
  errors: unknown[];
}

/** Yields metrics when a reader asks: an element of the option `metricProducers` of the SDK's metric readers. */
export interface MetricProducer {
  collect(): Promise<CollectedMetrics>;
}
