import type { ServerObserver } from "../../grpc/server/observer.ts";
import { checkOptions, type Checks, flag, fn, kind } from "../../option.ts";
import type { TransportObserver } from "../../transport/observer.ts";
import type { ContextManager, MeterProvider, TextMapPropagator, TracerProvider } from "./api.ts";
import type { MetricBackend } from "./backend.ts";
import type { Measures } from "./client-series.ts";
import type { Conventions } from "./conventions.ts";
import { Gauges, type SnapshottingRegistry } from "./gauges.ts";
import { Instruments } from "./instruments.ts";
import type { MetricProducer } from "./metric-data.ts";
import type { MethodFilter } from "./method-names.ts";
import { SCOPE } from "./scope.ts";
import { ServerTelemetry } from "./server-telemetry.ts";
import { MetricStore } from "./store.ts";
import { Tracing } from "./tracing.ts";
import { type TelemetryHost, TransportTelemetry } from "./transport-telemetry.ts";

/** Options of {@link telemetry}. All objects are those of `@opentelemetry/api`; nothing global is used in their place. */
export interface TelemetryOptions {
  /**
   * Whose instruments measure. Defaults to none: then {@link Telemetry.metricProducer} has the metrics, at a fraction of
   * the cost.
   */
  readonly meterProvider?: MeterProvider;
  /** Who makes spans. Defaults to none: no spans. */
  readonly tracerProvider?: TracerProvider;
  /**
   * How a span's context travels in the headers of requests: `new W3CTraceContextPropagator()` of
   * `@opentelemetry/core`. Defaults to none: clients send none, and spans of servers begin traces of their own.
   */
  readonly propagator?: TextMapPropagator;
  /**
   * Knows which context is active: `context` of `@opentelemetry/api`. With it, handlers of servers run with their call's
   * span as the active one, and baggage goes with calls. Defaults to none: the tracer alone decides which span is a
   * call's parent (that of the SDK takes the one that is active).
   */
  readonly context?: ContextManager;
  /**
   * The names of metrics, spans and their attributes: gRPC's own (gRFCs A66 and A72), those of OpenTelemetry's semantic
   * conventions for RPC, or both. With `"both"`, there are the metrics of both, and spans have gRPC's names and
   * OpenTelemetry's attributes. Defaults to `"grpc"`.
   */
  readonly conventions?: Conventions;
  /**
   * Whether gRPC's experimental metrics are recorded as well: retries and hedges (A96), connections (A94), ejections
   * (A91) and weighted round robin (A78). They may change. Defaults to false, as in gRPC's other implementations.
   */
  readonly experimental?: boolean;
  /**
   * Whether a method without a schema (`rawMethod`) is shown by its name, `pkg.Service/Method`, instead of as `other`.
   * Names that come from others need a bound: at most 500 are shown in any case. Defaults to never. gRPC's generic method
   * attribute filter.
   */
  readonly methodFilter?: MethodFilter;
}

const OPTIONS: Checks<TelemetryOptions> = {
  meterProvider: having("getMeter", "a MeterProvider"),
  tracerProvider: having("getTracer", "a TracerProvider"),
  propagator: having("inject", "a TextMapPropagator, such as new W3CTraceContextPropagator()"),
  context: having("active", "context of @opentelemetry/api"),
  conventions: kind(`"grpc", "otel" or "both"`, (value) => ["grpc", "otel", "both"].includes(value as string)),
  experimental: flag,
  methodFilter: fn("a function, (method) => boolean"),
};

function having(method: string, expected: string) {
  return kind(expected, (value) => typeof (value as Record<string, unknown> | null)?.[method] === "function");
}

/** Metrics and spans of transports, servers and registries; see {@link telemetry}. */
export interface Telemetry {
  /** Measures a transport: `createBalancedTransport({ observers: [t.client], … })`. It may be given to many. */
  readonly client: TransportObserver;
  /** Measures a server: `createGrpcServer({ observers: [t.server], … })`. It may be given to many. */
  readonly server: ServerObserver;
  /**
   * Where metrics are collected from if there is no `meterProvider`: pass it to a metric reader of the SDK,
   * `metricProducers: [t.metricProducer]`. Metrics are recorded from the first time that it is read.
   */
  readonly metricProducer: MetricProducer;
  /** Adds gauges of a registry's registrations and watches, until the registry is collected. Returns the registry. */
  registry<R extends SnapshottingRegistry>(registry: R): R;
}

/**
 * Metrics and traces for OpenTelemetry: of transports with their attempts and connections, of servers, and of
 * registries.
 *
 * ```ts
 * import { telemetry } from "connect-lb/otel";
 *
 * const t = telemetry({ conventions: "both" });
 * // For a reader of the SDK, such as new PeriodicExportingMetricReader({ exporter, ...forReader }):
 * const forReader = { metricProducers: [t.metricProducer] };
 * // For createBalancedTransport and createGrpcServer:
 * const forTransport = { observers: [t.client] }, forServer = { observers: [t.server] };
 * ```
 *
 * No metric or span shows metadata or messages. Methods and targets are bounded: what is more is `other`.
 *
 * @throws TypeError for an invalid option.
 */
export function telemetry(options: TelemetryOptions = {}): Telemetry {
  checkOptions("telemetry()", options, OPTIONS);
  return new OpenTelemetry(options);
}

class OpenTelemetry implements Telemetry, TelemetryHost {
  readonly tracing: Tracing | undefined;
  readonly methodFilter: MethodFilter | undefined;
  measures: Measures | undefined;
  readonly server: ServerObserver;
  readonly #options: TelemetryOptions;
  readonly #gauges = new Gauges();
  #store: MetricStore | undefined;

  constructor(options: TelemetryOptions) {
    const { meterProvider, tracerProvider, propagator, context, conventions = "grpc", methodFilter } = options;
    this.#options = options;
    this.methodFilter = methodFilter;
    this.tracing = tracerProvider && new Tracing({
      tracer: tracerProvider.getTracer(SCOPE.name, SCOPE.version),
      propagator,
      context,
      conventions,
    });
    if (meterProvider !== undefined) this.#recordTo(new Instruments(meterProvider));
    this.server = new ServerTelemetry(this);
  }

  readonly client: TransportObserver = (transport) => {
    const observed = new TransportTelemetry(this, transport);
    this.#gauges.addTransport(observed);
    return observed;
  };

  get metricProducer(): MetricProducer {
    if (this.#store === undefined) {
      this.#store = new MetricStore();
      if (this.measures === undefined) this.#recordTo(this.#store);
    }
    return this.#store;
  }

  #recordTo(backend: MetricBackend): void {
    const { conventions = "grpc", experimental = false } = this.#options;
    this.measures = { backend, conventions, experimental };
    this.#gauges.reportTo(backend);
  }

  registry<R extends SnapshottingRegistry>(registry: R): R {
    this.#gauges.addRegistry(registry);
    return registry;
  }
}
