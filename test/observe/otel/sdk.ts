// OpenTelemetry's SDK as tests use it, and a program with a client and a server that are observed.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Attributes, ContextManager, Tracer } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { type DataPoint, DataPointType, type Histogram, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import {
  AlwaysOffSampler,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { type Client, type ConnectRouter, createClient } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import {
  type BalancedTransport,
  type BalancedTransportOptions,
  createBalancedTransport,
  staticResolver,
} from "../../../src/index.ts";
import { grpcConnector } from "../../../src/node.ts";
import type { Telemetry, TelemetryOptions } from "../../../src/otel.ts";
import { createGrpcServer, type GrpcServer } from "../../../src/server.ts";
import type { Named } from "./names.ts";

/** A reader that collects when it is asked. */
export class ManualReader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

/** One metric as the SDK has it. */
export interface Collected {
  readonly type: Named["type"];
  readonly unit: string;
  readonly points: readonly DataPoint<number | Histogram>[];
}

/** Metrics of a producer, or of a provider's instruments. */
export interface Collector {
  /** Passed to `telemetry()`. */
  readonly options: { readonly meterProvider?: MeterProvider };
  /** All metrics now, by name. */
  collect(t: Telemetry): Promise<Map<string, Collected>>;
}

/** Collects by `metricProducer`, or by the instruments of a MeterProvider. */
export function collector(by: "producer" | "instruments"): Collector {
  const producers: { collect: Telemetry["metricProducer"]["collect"] }[] = [];
  const reader = new ManualReader({ metricProducers: producers });
  const provider = new MeterProvider({ readers: [reader] });
  return {
    options: by === "instruments" ? { meterProvider: provider } : {},
    async collect(t) {
      if (by === "producer" && producers.length === 0) producers.push(t.metricProducer);
      const { resourceMetrics, errors } = await reader.collect();
      assert.deepEqual(errors, []);
      const all = new Map<string, Collected>();
      for (const { scope, metrics } of resourceMetrics.scopeMetrics) {
        assert.equal(scope.name, "connect-lb");
        for (const { descriptor: { name, unit }, dataPointType, dataPoints, ...metric } of metrics) {
          assert.ok(!all.has(name), `${name} twice`);
          const monotonic = "isMonotonic" in metric && metric.isMonotonic;
          const type = dataPointType === DataPointType.HISTOGRAM
            ? "histogram"
            : dataPointType === DataPointType.GAUGE
            ? "gauge"
            : monotonic
            ? "counter"
            : "up-down counter";
          all.set(name, { type, unit, points: dataPoints as readonly DataPoint<number | Histogram>[] });
        }
      }
      return all;
    },
  };
}

/** The value of one series: of a histogram, how many values were recorded. */
export function valueOf(all: Map<string, Collected>, name: string, attributes: Attributes = {}): number | undefined {
  const found =
    all.get(name)?.points.filter((point) =>
      Object.entries(attributes).every(([key, value]) => point.attributes[key] === value)
    ) ?? [];
  if (found.length === 0) return undefined;
  return found.reduce((sum, { value }) => sum + (typeof value === "number" ? value : value.count), 0);
}

/** Compares what is exported with a list of names. */
export function assertNamed(all: Map<string, Collected>, names: Readonly<Record<string, Named>>): void {
  for (const [name, { type, unit, attributes, buckets }] of Object.entries(names)) {
    const metric = all.get(name);
    assert.ok(metric !== undefined, `${name} is not exported`);
    assert.deepEqual({ type: metric.type, unit: metric.unit }, { type, unit }, name);
    for (const point of metric.points) {
      const own = Object.keys(point.attributes);
      // These two depend on the call and on the target.
      const needed = attributes.filter((key) => key !== "error.type" && key !== "server.port");
      assert.deepEqual(needed.filter((key) => !own.includes(key)), [], `${name} lacks attributes`);
      assert.deepEqual(own.filter((key) => !attributes.includes(key)), [], `${name} has other attributes`);
      if (buckets !== undefined) assert.deepEqual((point.value as Histogram).buckets.boundaries, buckets, name);
    }
  }
}

/** Spans in memory, with what propagates them. */
export interface Spans {
  /** Passed to `telemetry()`. */
  readonly options: Required<Pick<TelemetryOptions, "tracerProvider" | "context" | "propagator">>;
  readonly context: ContextManager;
  readonly tracer: Tracer;
  /** The spans that have ended, in the order in which they began. */
  readonly ended: readonly ReadableSpan[];
}

/** Makes spans in memory. */
export function spans(sampled = true): Spans {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
    ...!sampled && { sampler: new AlwaysOffSampler() },
  });
  const context = new AsyncLocalStorageContextManager();
  context.enable();
  return {
    options: { tracerProvider, context, propagator: new W3CTraceContextPropagator() },
    context,
    tracer: tracerProvider.getTracer("the program"),
    get ended() {
      const time = ({ startTime: [s, ns] }: ReadableSpan) => s * 1e9 + ns;
      return exporter.getFinishedSpans().toSorted((a, b) => time(a) - time(b));
    },
  };
}

/** A client and its servers. */
export interface Program {
  readonly transport: BalancedTransport;
  readonly servers: readonly GrpcServer[];
  readonly addresses: readonly string[];
  readonly simple: Client<typeof Simple>;
}

/** Starts servers and a client that are observed. */
export async function program(
  t: TestContext,
  { client, server }: { client: Telemetry; server: Telemetry },
  routes: readonly ((router: ConnectRouter) => unknown)[],
  options: Partial<BalancedTransportOptions> = {},
): Promise<Program> {
  const servers = routes.map((of) => createGrpcServer({ routes: of, observers: [server.server], onError: () => {} }));
  const addresses: string[] = [];
  for (const one of servers) addresses.push((await one.listen({ host: "127.0.0.1" })).address);
  const transport = createBalancedTransport({
    resolver: { ...staticResolver(addresses), target: "simple", scheme: "test" },
    connector: grpcConnector(),
    observers: [client.client],
    ejectOutliers: false,
    ...options,
  });
  t.after(async () => {
    await transport.close();
    for (const one of servers) {
      one.closeAllConnections();
      await one.close();
    }
  });
  return { transport, servers, addresses, simple: createClient(Simple, transport) };
}
