// That OpenTelemetry's own types fit is checked by the compiler: nothing of this runs, except that it can be imported.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as api from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { CompositePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { MeterProvider, type MetricProducer, type MetricReaderOptions } from "@opentelemetry/sdk-metrics";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import { telemetry, type TelemetryOptions } from "../../../src/otel.ts";

describe("the types of OpenTelemetry's API and SDK", () => {
  it("fit as they are", () => {
    const ofApi: Required<Pick<TelemetryOptions, "meterProvider" | "tracerProvider" | "context" | "propagator">> = {
      meterProvider: api.metrics.getMeterProvider(),
      tracerProvider: api.trace.getTracerProvider(),
      context: api.context,
      propagator: {} as api.TextMapPropagator,
    };
    const ofSdk: TelemetryOptions = {
      meterProvider: new MeterProvider(),
      tracerProvider: new TracerProvider(),
      context: new AsyncLocalStorageContextManager(),
      propagator: new CompositePropagator({ propagators: [new W3CTraceContextPropagator()] }),
    };
    const producer: MetricProducer = telemetry().metricProducer;
    const reader: MetricReaderOptions = { metricProducers: [producer] };
    assert.ok(telemetry(ofSdk) !== undefined && reader !== undefined && ofApi !== undefined);
  });
});
