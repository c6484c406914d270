import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { telemetry } from "../../src/otel.ts";
import type { Contender } from "../contender.ts";
import type { Addresses } from "../kind.ts";
import { open as openPlain } from "./connect-lb.ts";

class Reader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

/** This library with its metrics as instruments of the SDK's MeterProvider. */
export function open(addresses: Addresses): Contender {
  const reader = new Reader();
  const meterProvider = new MeterProvider({ readers: [reader] });
  setInterval(() => void reader.collect(), 1_000).unref();
  return openPlain(addresses, { observers: [telemetry({ meterProvider, experimental: true }).client] });
}
