/**
 * Metrics and traces for OpenTelemetry, by gRPC's conventions and by OpenTelemetry's own. It needs no package of
 * OpenTelemetry itself: programs pass their providers, or collect its metrics with a reader of the SDK.
 *
 * @module
 */
export { type Telemetry, telemetry, type TelemetryOptions } from "./observe/otel/telemetry.ts";
export type { Conventions } from "./observe/otel/conventions.ts";
export type { MethodFilter } from "./observe/otel/method-names.ts";
export type { SnapshottingRegistry } from "./observe/otel/gauges.ts";
export type {
  Attributes,
  AttributeValue,
  Context,
  ContextManager,
  Counter,
  HeaderGetter,
  HeaderSetter,
  HistogramInstrument,
  InstrumentOptions,
  Meter,
  MeterProvider,
  ObservableGauge,
  ObservableResult,
  Span,
  SpanOptions,
  TextMapPropagator,
  Tracer,
  TracerProvider,
} from "./observe/otel/api.ts";
export type {
  CollectedMetrics,
  DataPoint,
  EmptyResource,
  GaugeMetric,
  HistogramMetric,
  HistogramValue,
  HrTime,
  Metric,
  MetricProducer,
  SumMetric,
} from "./observe/otel/metric-data.ts";
