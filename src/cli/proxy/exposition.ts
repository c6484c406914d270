// Metrics as Prometheus reads them: its text format, version 0.0.4.

import type { DataPoint, HistogramValue, Metric } from "../../otel.ts";

/** The content type of the text. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const UNITS: Readonly<Record<string, string>> = { s: "seconds", By: "bytes", ms: "milliseconds" };

/** The text of metrics. */
export function exposition(metrics: readonly Metric[]): string {
  return metrics.map(metricText).join("");
}

function metricText(metric: Metric): string {
  const { description } = metric.descriptor, name = nameOf(metric);
  const kind = metric.dataPointType === 0
    ? "histogram"
    : metric.dataPointType === 3 && metric.isMonotonic
    ? "counter"
    : "gauge";
  const points = metric.dataPointType === 0
    ? metric.dataPoints.flatMap((point) => histogramLines(name, point))
    : metric.dataPoints.map(({ attributes, value }) => line(name, labelsOf(attributes), value));
  return `# HELP ${name} ${escapedHelp(description)}\n# TYPE ${name} ${kind}\n${points.join("")}`;
}

/** By OpenTelemetry's rules for Prometheus: the unit at the end, and `_total` for counters. */
function nameOf(metric: Metric): string {
  const { name, unit } = metric.descriptor;
  const plain = name.replace(/[^a-zA-Z0-9_:]/g, "_"), suffix = UNITS[unit];
  const whole = suffix === undefined || plain.endsWith(`_${suffix}`) ? plain : `${plain}_${suffix}`;
  return metric.dataPointType === 3 && metric.isMonotonic ? `${whole}_total` : whole;
}

type Labels = readonly (readonly [string, string])[];

function labelsOf(attributes: DataPoint<unknown>["attributes"]): Labels {
  return Object.entries(attributes).map(([name, value]) => [name.replace(/[^a-zA-Z0-9_]/g, "_"), String(value)]);
}

function histogramLines(name: string, { attributes, value }: DataPoint<HistogramValue>): string[] {
  const labels = labelsOf(attributes), { boundaries, counts } = value.buckets;
  let below = 0;
  const buckets = counts.map((count, i) => {
    below += count;
    return line(`${name}_bucket`, [...labels, ["le", i < boundaries.length ? String(boundaries[i]) : "+Inf"]], below);
  });
  return [...buckets, line(`${name}_sum`, labels, value.sum), line(`${name}_count`, labels, value.count)];
}

function line(name: string, labels: Labels, value: number): string {
  const text = labels.map(([label, said]) => `${label}="${escapedLabel(said)}"`).join(",");
  return `${name}${text === "" ? "" : `{${text}}`} ${value}\n`;
}

function escapedHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapedLabel(text: string): string {
  return escapedHelp(text).replaceAll('"', '\\"');
}
