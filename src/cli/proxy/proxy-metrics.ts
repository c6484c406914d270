import type { Metric } from "../../otel.ts";
import type { ProxyRefusedCounts, ProxySnapshot } from "../../server.ts";

/** The names of reasons, as other metrics spell theirs. */
const REASONS: Readonly<Record<keyof ProxyRefusedCounts, string>> = {
  noRoute: "no_route",
  unsupported: "unsupported",
  headers: "max_header_list_bytes",
  streams: "max_concurrent_streams",
  buffered: "max_buffered_bytes",
  connections: "max_connections",
  floods: "flood",
};

/** What a proxy counts itself: of calls that went to no server, the metrics of its transports say nothing. */
export function proxyMetrics({ calls, connections, inFlight, refused }: ProxySnapshot): readonly Metric[] {
  return [
    counter("connect_lb.proxy.calls", "Calls that ended, by how they did.", "connect_lb.result", [
      ["succeeded", calls.succeeded],
      ["failed", calls.failed],
    ]),
    gauge("connect_lb.proxy.calls.in_flight", "Calls that have begun and not ended.", inFlight),
    gauge("connect_lb.proxy.connections", "Connections of clients that are open.", connections.length),
    counter(
      "connect_lb.proxy.refused",
      "Requests, and connections of clients, that were refused, by why.",
      "connect_lb.reason",
      (Object.keys(REASONS) as (keyof ProxyRefusedCounts)[]).map((key) => [REASONS[key], refused[key]]),
    ),
  ];
}

type Value = readonly [attribute: string, value: number];

function counter(name: string, description: string, attribute: string, values: readonly Value[]): Metric {
  return {
    ...metric(name, description),
    dataPointType: 3,
    isMonotonic: true,
    dataPoints: values.map(([which, value]) => ({ ...MOMENT, attributes: { [attribute]: which }, value })),
  };
}

function gauge(name: string, description: string, value: number): Metric {
  return { ...metric(name, description), dataPointType: 2, dataPoints: [{ ...MOMENT, attributes: {}, value }] };
}

function metric(name: string, description: string): Pick<Metric, "descriptor" | "aggregationTemporality"> {
  return { descriptor: { name, description, unit: "", valueType: 0 }, aggregationTemporality: 1 };
}

/** Prometheus's text has no times. */
const MOMENT = { startTime: [0, 0] as [number, number], endTime: [0, 0] as [number, number] };
