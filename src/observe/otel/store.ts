import type { Attributes } from "./api.ts";
import type { MetricBackend, Observe, Series } from "./backend.ts";
import { Histogram, Sum } from "./histogram.ts";
import type { CollectedMetrics, DataPoint, EmptyResource, HrTime, Metric, MetricProducer } from "./metric-data.ts";
import type { MetricDefinition } from "./metric.ts";
import { SCOPE } from "./scope.ts";

/** How many series a metric has at most, as in OpenTelemetry's SDKs; what is more is counted together. */
const MOST_SERIES = 2_000;
/** The attributes of what is counted together, as OpenTelemetry's metrics SDK specification names them. */
const OVERFLOW: Attributes = { "otel.metric.overflow": true };

/** The series of one metric. */
class StoredMetric {
  readonly definition: MetricDefinition;
  readonly #series = new Map<string, { attributes: Attributes; startTime: HrTime; value: Histogram | Sum }>();

  constructor(definition: MetricDefinition) {
    this.definition = definition;
  }

  series(attributes: Attributes): Series {
    const key = JSON.stringify(Object.entries(attributes));
    const found = this.#series.get(key);
    if (found !== undefined) return found.value;
    if (this.#series.size >= MOST_SERIES && attributes !== OVERFLOW) return this.series(OVERFLOW);
    const { boundaries } = this.definition;
    const value = boundaries === undefined ? new Sum() : new Histogram(boundaries);
    this.#series.set(key, { attributes, startTime: hrTime(), value });
    return value;
  }

  /** What was recorded; undefined if nothing was. */
  collect(endTime: HrTime): Metric | undefined {
    const { kind } = this.definition;
    const series = [...this.#series.values()];
    if (kind === "histogram") {
      const dataPoints = series.flatMap(({ attributes, startTime, value: { value } }) =>
        typeof value === "object" ? [{ attributes, startTime, endTime, value }] : []
      );
      if (dataPoints.length === 0) return undefined;
      return { ...base(this.definition), dataPointType: 0, dataPoints };
    }
    if (series.length === 0) return undefined;
    const dataPoints = series.map(({ attributes, startTime, value }) => ({
      attributes,
      startTime,
      endTime,
      value: value.value as number,
    }));
    return { ...base(this.definition), dataPointType: 3, isMonotonic: kind === "counter", dataPoints };
  }
}

/**
 * Metrics in memory, collected when a reader of OpenTelemetry's SDK asks. Values are cumulative: each reader gets all of
 * them, however many there are.
 */
export class MetricStore implements MetricBackend, MetricProducer {
  readonly #metrics = new Map<string, StoredMetric>();
  readonly #gauges: { definition: MetricDefinition; values: (observe: Observe) => void }[] = [];

  series(definition: MetricDefinition, attributes: Attributes): Series {
    let metric = this.#metrics.get(definition.name);
    if (metric === undefined) this.#metrics.set(definition.name, metric = new StoredMetric(definition));
    return metric.series(attributes);
  }

  both(one: Series, other: Series): Series {
    return (one as Histogram).with(other as Histogram);
  }

  gauge(definition: MetricDefinition, values: (observe: Observe) => void): void {
    this.#gauges.push({ definition, values });
  }

  collect(): Promise<CollectedMetrics> {
    const endTime = hrTime(), errors: unknown[] = [], metrics: Metric[] = [];
    for (const metric of this.#metrics.values()) {
      const collected = metric.collect(endTime);
      if (collected !== undefined) metrics.push(collected);
    }
    for (const { definition, values } of this.#gauges) {
      const dataPoints: DataPoint<number>[] = [];
      try {
        values((value, attributes) => {
          if (dataPoints.length < MOST_SERIES) dataPoints.push({ attributes, startTime: endTime, endTime, value });
        });
      } catch (error) {
        errors.push(error);
      }
      if (dataPoints.length > 0) metrics.push({ ...base(definition), dataPointType: 2, dataPoints });
    }
    const scopeMetrics = metrics.length === 0 ? [] : [{ scope: { ...SCOPE }, metrics }];
    return Promise.resolve({ resourceMetrics: { resource: EMPTY, scopeMetrics }, errors });
  }
}

function base({ name, description, unit, doubles }: MetricDefinition) {
  return {
    descriptor: { name, description, unit, valueType: doubles === true ? 1 : 0 },
    aggregationTemporality: 1,
  } as const;
}

const EMPTY: EmptyResource = {
  asyncAttributesPending: false,
  attributes: {},
  merge<R>(other: R | null): R {
    return other ?? EMPTY as R;
  },
  getRawAttributes: () => [],
};

/** The wall clock: what is exported says when it was measured. */
function hrTime(): HrTime {
  const nowMs = Date.now();
  return [Math.floor(nowMs / 1_000), nowMs % 1_000 * 1_000_000];
}
