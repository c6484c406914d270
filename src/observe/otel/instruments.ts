import type { Attributes, InstrumentOptions, Meter, MeterProvider } from "./api.ts";
import type { MetricBackend, Observe, Series } from "./backend.ts";
import type { MetricDefinition } from "./metric.ts";
import { SCOPE } from "./scope.ts";

/** Records a value with its attributes: an instrument of a meter. */
type Instrument = (value: number, attributes: Attributes) => void;

/** Metrics as instruments of a MeterProvider, which looks the attributes up for each value. */
export class Instruments implements MetricBackend {
  readonly #meter: Meter;
  readonly #made = new Map<string, Instrument>();

  constructor(provider: MeterProvider) {
    this.#meter = provider.getMeter(SCOPE.name, SCOPE.version);
  }

  series(metric: MetricDefinition, attributes: Attributes): Series {
    let instrument = this.#made.get(metric.name);
    if (instrument === undefined) this.#made.set(metric.name, instrument = this.#make(metric));
    const into = instrument;
    return { record: (value) => into(value, attributes) };
  }

  both(one: Series, other: Series): Series {
    return {
      record(value) {
        one.record(value);
        other.record(value);
      },
    };
  }

  gauge(metric: MetricDefinition, values: (observe: Observe) => void): void {
    const gauge = this.#meter.createObservableGauge(metric.name, optionsOf(metric));
    // The SDK repeats the last value of a series that is no longer observed.
    let before = new Map<string, Attributes>();
    gauge.addCallback((result) => {
      const now = new Map<string, Attributes>();
      values((value, attributes) => {
        now.set(JSON.stringify(attributes), attributes);
        result.observe(value, attributes);
      });
      for (const [key, attributes] of before) if (!now.has(key)) result.observe(0, attributes);
      before = now;
    });
  }

  #make(metric: MetricDefinition): Instrument {
    const meter = this.#meter, { kind, name } = metric, options = optionsOf(metric);
    if (kind === "histogram") {
      const histogram = meter.createHistogram(name, options);
      return (value, attributes) => histogram.record(value, attributes);
    }
    const counter = kind === "counter" ? meter.createCounter(name, options) : meter.createUpDownCounter(name, options);
    return (value, attributes) => counter.add(value, attributes);
  }
}

function optionsOf({ unit, description, boundaries, doubles }: MetricDefinition): InstrumentOptions {
  return {
    unit,
    description,
    valueType: doubles === true ? 1 : 0,
    ...boundaries !== undefined && { advice: { explicitBucketBoundaries: [...boundaries] } },
  };
}
