import type { Attributes } from "./api.ts";
import type { MetricDefinition } from "./metric.ts";

/** One metric with one set of attributes, ready to be recorded to. */
export interface Series {
  /** Adds to a counter; records a value of a histogram. */
  record(value: number): void;
}

/** Reports the values of a gauge. */
export type Observe = (value: number, attributes: Attributes) => void;

/** Where measurements go. Series are kept by the code that records to them, so that a call looks nothing up. */
export interface MetricBackend {
  series(metric: MetricDefinition, attributes: Attributes): Series;
  /** A series that records to both of these, which are histograms with the same buckets. */
  both(one: Series, other: Series): Series;
  /** Asks for a gauge's values whenever metrics are collected. */
  gauge(metric: MetricDefinition, values: (observe: Observe) => void): void;
}
