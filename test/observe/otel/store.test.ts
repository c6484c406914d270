import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { Buckets } from "../../../src/observe/otel/buckets.ts";
import { Histogram } from "../../../src/observe/otel/histogram.ts";
import { Instruments } from "../../../src/observe/otel/instruments.ts";
import type { MetricBackend } from "../../../src/observe/otel/backend.ts";
import { MetricStore } from "../../../src/observe/otel/store.ts";
import { CLIENT, type MetricDefinition, RETRIES, RPC } from "../../../src/observe/otel/metric.ts";

class Reader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

const counter: MetricDefinition = { name: "n", kind: "counter", unit: "{call}", description: "calls" };
const updown: MetricDefinition = { name: "u", kind: "up-down counter", unit: "1", description: "open" };
const gauge: MetricDefinition = { name: "g", kind: "gauge", unit: "1", description: "state" };
const histogram: MetricDefinition = {
  name: "h",
  kind: "histogram",
  unit: "s",
  description: "times",
  boundaries: [0, 1, 5],
  doubles: true,
};

function record(backend: MetricBackend): void {
  backend.series(counter, { a: "x" }).record(1);
  backend.series(counter, { a: "x" }).record(2);
  backend.series(counter, { a: "y" }).record(1);
  backend.series(updown, {}).record(3);
  backend.series(updown, {}).record(-1);
  for (const value of [-1, 0, 0.5, 1, 1.5, 5, 6, 7]) backend.series(histogram, { a: "x" }).record(value);
  backend.gauge(gauge, (observe) => observe(7, { a: "x" }));
}

describe("the metrics that a producer hands to the SDK", () => {
  it("are what the SDK's own instruments make of the same values", async () => {
    const store = new MetricStore();
    const produced = new Reader({ metricProducers: [store] }), plain = new Reader();
    new MeterProvider({ readers: [produced] });
    record(store);
    record(new Instruments(new MeterProvider({ readers: [plain] })));
    const ofProducer = (await produced.collect()).resourceMetrics, ofSdk = (await plain.collect()).resourceMetrics;
    assert.deepEqual(timeless(ofProducer.scopeMetrics), timeless(ofSdk.scopeMetrics));
    assert.deepEqual(ofProducer.resource.attributes, ofSdk.resource.attributes);
  });

  it("are cumulative, from when their series began", async () => {
    const store = new MetricStore(), series = store.series(counter, {});
    series.record(1);
    const before = await store.collect();
    series.record(1);
    const after = await store.collect();
    const pointOf = ({ resourceMetrics }: typeof before) => resourceMetrics.scopeMetrics[0]!.metrics[0]!.dataPoints[0]!;
    assert.deepEqual([pointOf(before).value, pointOf(after).value], [1, 2]);
    assert.deepEqual(pointOf(before).startTime, pointOf(after).startTime);
    const [seconds, nanos] = pointOf(after).endTime;
    assert.ok(Math.abs(seconds * 1_000 + nanos / 1e6 - Date.now()) < 60_000);
  });

  it("are none before anything was recorded, and without empty histograms", async () => {
    const store = new MetricStore();
    assert.deepEqual((await store.collect()).resourceMetrics.scopeMetrics, []);
    store.series(histogram, {});
    assert.deepEqual((await store.collect()).resourceMetrics.scopeMetrics, []);
  });

  it("have at most 2,000 series per metric, and count what is more as the overflow", async () => {
    const store = new MetricStore();
    for (let i = 0; i < 5_000; i++) store.series(counter, { id: i }).record(1);
    const { dataPoints } = (await store.collect()).resourceMetrics.scopeMetrics[0]!.metrics[0]!;
    assert.equal(dataPoints.length, 2_001);
    assert.deepEqual(dataPoints.at(-1)!.attributes, { "otel.metric.overflow": true });
    assert.equal(dataPoints.at(-1)!.value, 3_000);
  });

  it("come without a gauge whose values can't be read, whose error is reported", async () => {
    const store = new MetricStore(), error = new Error("no snapshot");
    store.gauge(gauge, () => {
      throw error;
    });
    store.series(counter, {}).record(1);
    const { errors, resourceMetrics } = await store.collect();
    assert.deepEqual(errors, [error]);
    assert.equal(resourceMetrics.scopeMetrics[0]!.metrics.length, 1);
  });
});

describe("a histogram", () => {
  it("counts a value that is a boundary in the bucket below it", () => {
    const values = new Histogram([1, 2]);
    for (const value of [1, 2, 3]) values.record(value);
    assert.deepEqual(values.value, {
      buckets: { boundaries: [1, 2], counts: [1, 1, 1] },
      count: 3,
      sum: 6,
      min: 1,
      max: 3,
    });
  });

  it("ignores what is no number, or negative", () => {
    const values = new Histogram([1, 2]);
    for (const value of [NaN, -1]) values.record(value);
    assert.equal(values.value, undefined);
  });
});

/** Metrics by name, without the times of their series. */
function timeless(scopes: readonly { scope: object; metrics: readonly { descriptor: { name: string } }[] }[]) {
  return scopes.map(({ scope, metrics }) => ({
    scope: { ...scope, schemaUrl: undefined },
    metrics: metrics.toSorted((a, b) => (a.descriptor.name < b.descriptor.name ? -1 : 1)).map((metric) =>
      JSON.parse(JSON.stringify(metric, (name, value) => {
        // The SDK's descriptors also have what only it needs.
        return name === "startTime" || name === "endTime" || name === "advice" || name === "type" ? undefined : value;
      }))
    ),
  }));
}

describe("the bucket of a number", () => {
  it("is the one that a search would find, whatever the boundaries", () => {
    const metrics = [CLIENT.callDuration, CLIENT.attemptSent, RETRIES.retries, RPC.client];
    const lists = [...metrics.map(({ boundaries }) => boundaries!), [], [0], [3]];
    for (const boundaries of lists) {
      const buckets = Buckets.of(boundaries);
      const near = boundaries.flatMap((boundary) => [boundary, boundary * (1 - 1e-12), boundary * (1 + 1e-12)]);
      const spread = Array.from({ length: 2_000 }, (_, i) => 1.05 ** (i - 1_000));
      for (const value of [0, 5e-324, Number.MAX_VALUE, Infinity, ...near, ...spread]) {
        const found = boundaries.findIndex((boundary) => boundary >= value);
        assert.equal(buckets.indexOf(value), found < 0 ? boundaries.length : found, `${value} in ${boundaries}`);
      }
    }
  });
});
