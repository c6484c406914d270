// What reaches a collector and Prometheus, through the SDK's own exporters.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { telemetry } from "../../../src/otel.ts";
import { eventually } from "../../support/eventually.ts";
import { simpleRoutes } from "../../support/simple.ts";
import { A66_CLIENT, A66_SERVER } from "./names.ts";
import { ManualReader, program } from "./sdk.ts";

/** What a collector gets of OTLP in JSON. */
interface Received {
  readonly resourceMetrics?: readonly { scopeMetrics: readonly { metrics: readonly Metric[] }[] }[];
  readonly resourceSpans?: readonly { scopeSpans: readonly { spans: readonly Span[] }[] }[];
}
interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: { isMonotonic: boolean; aggregationTemporality: number };
  readonly histogram?: { aggregationTemporality: number; dataPoints: { explicitBounds: number[]; count: number }[] };
}
interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
}

/** A collector of OTLP over HTTP that keeps what it gets. */
async function startCollector(t: TestContext) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (piece: string) => text += piece).on("end", () => {
      received.push(JSON.parse(text));
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const metrics = () =>
    received.flatMap(({ resourceMetrics = [] }) => resourceMetrics).flatMap((r) => r.scopeMetrics)
      .flatMap((scope) => scope.metrics);
  const spans = () =>
    received.flatMap(({ resourceSpans = [] }) => resourceSpans).flatMap((r) => r.scopeSpans)
      .flatMap((scope) => scope.spans);
  return { url, metrics, spans };
}

describe("telemetry", () => {
  it("reaches a collector by OTLP over HTTP", async (t) => {
    const collector = await startCollector(t);
    const tracerProvider = new TracerProvider({
      spanProcessors: [
        new SimpleSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${collector.url}/v1/traces` }) }),
      ],
    });
    const context = new AsyncLocalStorageContextManager().enable();
    const all = telemetry({ tracerProvider, context, propagator: new W3CTraceContextPropagator() });
    const reader = new PeriodicExportingMetricReader({
      exporter: new OTLPMetricExporter({ url: `${collector.url}/v1/metrics` }),
      exportIntervalMillis: 3_600_000,
      metricProducers: [all.metricProducer],
    });
    const meterProvider = new MeterProvider({ readers: [reader] });
    const { simple } = await program(t, { client: all, server: all }, [simpleRoutes({ name: "a" })]);
    await simple.route({ data: "x" });
    await meterProvider.forceFlush();
    const metrics = collector.metrics();
    for (const [name, { unit, type, buckets }] of Object.entries({ ...A66_CLIENT, ...A66_SERVER })) {
      const metric = metrics.find((one) => one.name === name) ?? assert.fail(`${name} did not arrive`);
      assert.equal(metric.unit, unit);
      if (type === "counter") assert.equal(metric.sum!.isMonotonic, true);
      else assert.deepEqual(metric.histogram!.dataPoints[0]!.explicitBounds, buckets);
      assert.equal((metric.sum ?? metric.histogram!).aggregationTemporality, 2, "cumulative");
    }
    await eventually("the spans", () => collector.spans().length === 3);
    const named = (prefix: string) => collector.spans().find(({ name }) => name.startsWith(prefix))!;
    assert.equal(named("Recv").parentSpanId, named("Attempt").spanId);
    assert.equal(named("Attempt").parentSpanId, named("Sent").spanId);
    assert.equal(named("Recv").traceId, named("Sent").traceId);
    await meterProvider.shutdown();
    await tracerProvider.shutdown();
    context.disable();
  });

  it("is what Prometheus reads", async (t) => {
    const all = telemetry();
    const reader = new ManualReader({ metricProducers: [all.metricProducer] });
    new MeterProvider({ readers: [reader] });
    const { simple } = await program(t, { client: all, server: all }, [simpleRoutes({ name: "a" })]);
    await simple.route({ data: "x" });
    const { resourceMetrics } = await reader.collect();
    const text = new PrometheusSerializer().serialize(resourceMetrics);
    const labels = '\\{grpc_method="proto\\.Simple/Route",grpc_target="test:///simple"';
    assert.match(text, /^# TYPE grpc_client_attempt_started_total counter$/m);
    assert.match(text, new RegExp(`^grpc_client_attempt_started_total${labels}[^}]*\\} 1`, "m"));
    assert.match(
      text,
      /^# TYPE grpc_client_call_duration_seconds histogram$|^# TYPE grpc_client_call_duration histogram$/m,
    );
    assert.match(text, /^grpc_client_call_duration(_seconds)?_bucket\{[^}]*grpc_status="OK"[^}]*le="\+Inf"\} 1/m);
    assert.match(text, /^connect_lb_endpoints\{[^}]*connect_lb_state="ready"[^}]*\} 1/m);
  });
});
