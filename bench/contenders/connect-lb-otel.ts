import { telemetry } from "../../src/otel.ts";
import type { Contender } from "../contender.ts";
import type { Addresses } from "../kind.ts";
import { open as openPlain } from "./connect-lb.ts";

/** This library with its metrics, collected by a producer once a second, which is far more often than usual. */
export function open(addresses: Addresses): Contender {
  const { client, metricProducer } = telemetry({ experimental: true });
  setInterval(() => void metricProducer.collect(), 1_000).unref();
  return openPlain(addresses, { observers: [client] });
}
