// The part of OpenTelemetry's API that is used here, as types of our own: whatever is shaped like it fits, and nothing of
// it need be installed. `@opentelemetry/api` 1.9 and later fit.

/** The value of an attribute. */
export type AttributeValue = string | number | boolean;

/** The attributes of a span, an event or a data point. */
export type Attributes = Record<string, AttributeValue>;

/** What an instrument is created with. */
export interface InstrumentOptions {
  readonly description?: string;
  readonly unit?: string;
  /** 0: integers, 1: doubles. */
  readonly valueType?: number;
  readonly advice?: { readonly explicitBucketBoundaries?: number[] };
}

/** A counter that goes up, or up and down. */
export interface Counter {
  add(value: number, attributes?: Attributes): void;
}

/** A histogram. */
export interface HistogramInstrument {
  record(value: number, attributes?: Attributes): void;
}

/** What the callback of an {@link ObservableGauge} reports to. */
export interface ObservableResult {
  observe(value: number, attributes?: Attributes): void;
}

/** A gauge whose value is asked for when metrics are collected. */
export interface ObservableGauge {
  addCallback(callback: (result: ObservableResult) => void): void;
}

/** Creates instruments: `Meter` of `@opentelemetry/api`. */
export interface Meter {
  createCounter(name: string, options?: InstrumentOptions): Counter;
  createUpDownCounter(name: string, options?: InstrumentOptions): Counter;
  createHistogram(name: string, options?: InstrumentOptions): HistogramInstrument;
  createObservableGauge(name: string, options?: InstrumentOptions): ObservableGauge;
}

/** `MeterProvider` of `@opentelemetry/api`. */
export interface MeterProvider {
  getMeter(name: string, version?: string): Meter;
}

/** An immutable set of values, among them the active span: `Context` of `@opentelemetry/api`. */
export interface Context {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): Context;
  deleteValue(key: symbol): Context;
}

/** Knows which context is active: `context` of `@opentelemetry/api`, or a context manager. */
export interface ContextManager {
  active(): Context;
  with<T>(context: Context, run: () => T): T;
}

/** What a span is started with. */
export interface SpanOptions {
  /** One of {@link SpanKind}. */
  readonly kind?: number;
  readonly attributes?: Attributes;
}

/** The kinds of spans, as OpenTelemetry numbers them. */
export const SpanKind = { INTERNAL: 0, SERVER: 1, CLIENT: 2 } as const;

/** The status codes of spans, as OpenTelemetry numbers them. */
export const SpanStatusCode = { UNSET: 0, OK: 1, ERROR: 2 } as const;

/** A span. */
export interface Span {
  setAttributes(attributes: Attributes): unknown;
  addEvent(name: string, attributes?: Attributes): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  /** Whether it is sampled: what is set is kept. */
  isRecording(): boolean;
  end(): void;
}

/** Starts spans. Without a context the one that is active is their parent's. */
export interface Tracer {
  startSpan(name: string, options?: SpanOptions, context?: Context): Span;
}

/** `TracerProvider` of `@opentelemetry/api`. */
export interface TracerProvider {
  getTracer(name: string, version?: string): Tracer;
}

/** Writes a field into headers. */
export interface HeaderSetter {
  set(headers: Headers, name: string, value: string): void;
}

/** Reads fields of headers. */
export interface HeaderGetter {
  keys(headers: Headers): string[];
  get(headers: Headers, name: string): string | undefined;
}

/** Writes a context into headers and reads it: `TextMapPropagator` of `@opentelemetry/api`. */
export interface TextMapPropagator {
  inject(context: Context, headers: Headers, setter: HeaderSetter): void;
  extract(context: Context, headers: Headers, getter: HeaderGetter): Context;
}
