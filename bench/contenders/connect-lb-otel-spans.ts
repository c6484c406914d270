import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import { telemetry } from "../../src/otel.ts";
import type { Contender } from "../contender.ts";
import type { Addresses } from "../kind.ts";
import { open as openPlain } from "./connect-lb.ts";

/** This library with spans, of which one in a hundred is sampled, and with its metrics. */
export function open(addresses: Addresses): Contender {
  const tracerProvider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0.01) }),
    spanProcessors: [],
  });
  const { client, metricProducer } = telemetry({ tracerProvider, propagator: new W3CTraceContextPropagator() });
  void metricProducer;
  return openPlain(addresses, { observers: [client] });
}
