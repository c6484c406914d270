/** A metric: its name and how it is measured. */
export interface MetricDefinition {
  readonly name: string;
  readonly kind: "counter" | "up-down counter" | "histogram" | "gauge";
  readonly unit: string;
  readonly description: string;
  /** The upper bounds of a histogram's buckets, each included. */
  readonly boundaries?: readonly number[];
  /** Whether its values are doubles; otherwise they are integers. */
  readonly doubles?: boolean;
}

/** Metrics by what they are called here. */
type Metrics<Names extends string> = Readonly<Record<Names, MetricDefinition>>;

/** gRPC's buckets for latencies, in seconds (gRFC A66). */
const GRPC_SECONDS: readonly number[] = [
  ...[0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008],
  ...[0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5],
  ...[0.65, 0.8, 1, 2, 5, 10, 20, 50, 100],
];

/** gRPC's buckets for sizes, in bytes (gRFC A66). */
const GRPC_BYTES: readonly number[] = [
  ...[0, 1_024, 2_048, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864],
  ...[268_435_456, 1_073_741_824, 4_294_967_296],
];

/** OpenTelemetry's buckets for the duration of calls, in seconds. */
const OTEL_SECONDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** OpenTelemetry's buckets for a histogram whose definition names none. */
const OTEL_DEFAULT: readonly number[] = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000];

function counter(name: string, unit: string, description: string): MetricDefinition {
  return { name, kind: "counter", unit, description };
}

function gauge(name: string, unit: string, description: string): MetricDefinition {
  return { name, kind: "gauge", unit, description };
}

function seconds(name: string, boundaries: readonly number[], description: string): MetricDefinition {
  return { name, kind: "histogram", unit: "s", description, boundaries, doubles: true };
}

function bytes(name: string, description: string): MetricDefinition {
  return { name, kind: "histogram", unit: "By", description, boundaries: GRPC_BYTES };
}

function perCall(name: string, unit: string, most: number, description: string): MetricDefinition {
  const boundaries = [1, 2, 3, 4, 5, 10].filter((boundary) => boundary <= most);
  return { name, kind: "histogram", unit, description, boundaries };
}

/** gRPC's stable metrics of clients (gRFC A66). */
export const CLIENT: Metrics<
  "attemptStarted" | "attemptDuration" | "attemptSent" | "attemptReceived" | "callDuration"
> = {
  attemptStarted: counter(
    "grpc.client.attempt.started",
    "{attempt}",
    "Number of attempts started, including those that have not completed.",
  ),
  attemptDuration: seconds(
    "grpc.client.attempt.duration",
    GRPC_SECONDS,
    "Time taken by an attempt, including the wait for a connection.",
  ),
  attemptSent: bytes(
    "grpc.client.attempt.sent_total_compressed_message_size",
    "Bytes of all request messages of an attempt, compressed, without metadata and framing.",
  ),
  attemptReceived: bytes(
    "grpc.client.attempt.rcvd_total_compressed_message_size",
    "Bytes of all response messages of an attempt, compressed, without metadata and framing.",
  ),
  callDuration: seconds(
    "grpc.client.call.duration",
    GRPC_SECONDS,
    "Time taken by a call with all its attempts, as the caller sees it.",
  ),
};

/** gRPC's metrics of retries and hedges (gRFC A96), which are experimental. */
export const RETRIES: Metrics<"retries" | "transparent" | "hedges" | "delay"> = {
  retries: perCall("grpc.client.call.retries", "{retry}", 5, "Number of retries of a call that had any."),
  transparent: perCall(
    "grpc.client.call.transparent_retries",
    "{transparent_retry}",
    10,
    "Number of transparent retries of a call that had any: of attempts that no server processed.",
  ),
  hedges: perCall("grpc.client.call.hedges", "{hedge}", 5, "Number of hedges of a call that had any."),
  delay: seconds(
    "grpc.client.call.retry_delay",
    GRPC_SECONDS,
    "Time during a call in which no attempt was active, because of the backoff before a retry.",
  ),
};

/** gRPC's stable metrics of servers (gRFC A66). */
export const SERVER: Metrics<"started" | "sent" | "received" | "duration"> = {
  started: counter(
    "grpc.server.call.started",
    "{call}",
    "Number of calls started, including those that have not completed.",
  ),
  sent: bytes(
    "grpc.server.call.sent_total_compressed_message_size",
    "Bytes of all response messages of a call, compressed, without metadata and framing.",
  ),
  received: bytes(
    "grpc.server.call.rcvd_total_compressed_message_size",
    "Bytes of all request messages of a call, compressed, without metadata and framing.",
  ),
  duration: seconds("grpc.server.call.duration", GRPC_SECONDS, "Time taken by a call, as the server's HTTP/2 sees it."),
};

/** gRPC's metrics of connections (gRFC A94), which are experimental. */
export const SUBCHANNEL: Metrics<"disconnections" | "succeeded" | "failed" | "open"> = {
  disconnections: counter(
    "grpc.subchannel.disconnections",
    "{disconnection}",
    "Number of times a connection was disconnected.",
  ),
  succeeded: counter(
    "grpc.subchannel.connection_attempts_succeeded",
    "{attempt}",
    "Number of connections that were opened.",
  ),
  failed: counter(
    "grpc.subchannel.connection_attempts_failed",
    "{attempt}",
    "Number of connections that could not be opened.",
  ),
  open: {
    name: "grpc.subchannel.open_connections",
    kind: "up-down counter",
    unit: "{connection}",
    description: "Number of connections that are open.",
  },
};

/** gRPC's metrics of outlier detection (gRFC A91), which are experimental. */
export const OUTLIERS: Metrics<"enforced" | "unenforced"> = {
  enforced: counter(
    "grpc.lb.outlier_detection.ejections_enforced",
    "{ejection}",
    "Number of endpoints that were ejected, by the rule that found them.",
  ),
  unenforced: counter(
    "grpc.lb.outlier_detection.ejections_unenforced",
    "{ejection}",
    "Number of times that an endpoint was not ejected although a rule found it, by that rule and the reason.",
  ),
};

/** gRPC's metrics of weighted round robin (gRFC A78), which are experimental. */
export const WRR: Metrics<"fallback" | "notYetUsable" | "stale" | "weights"> = {
  fallback: counter(
    "grpc.lb.wrr.rr_fallback",
    "{update}",
    "Number of updates of the weights that left too few usable ones, so that calls went round robin.",
  ),
  notYetUsable: counter(
    "grpc.lb.wrr.endpoint_weight_not_yet_usable",
    "{endpoint}",
    "Number of endpoints at each update of the weights that had no load report yet, or were in the blackout period.",
  ),
  stale: counter(
    "grpc.lb.wrr.endpoint_weight_stale",
    "{endpoint}",
    "Number of endpoints at each update of the weights whose last load report was older than the expiration period.",
  ),
  weights: {
    name: "grpc.lb.wrr.endpoint_weights",
    kind: "histogram",
    unit: "{weight}",
    description: "Weight of each endpoint at each update of the weights; 0 if it had no usable one.",
    boundaries: OTEL_DEFAULT,
    doubles: true,
  },
};

/** OpenTelemetry's semantic conventions for RPC. */
export const RPC: Metrics<"client" | "server"> = {
  client: seconds(
    "rpc.client.call.duration",
    OTEL_SECONDS,
    "Measures the duration of an outgoing Remote Procedure Call (RPC).",
  ),
  server: seconds(
    "rpc.server.call.duration",
    OTEL_SECONDS,
    "Measures the duration of an incoming Remote Procedure Call (RPC).",
  ),
};

/** What no convention has: gauges of snapshots. */
export const STATES: Metrics<
  | "endpoints"
  | "heldBack"
  | "waiting"
  | "inFlight"
  | "panic"
  | "staleness"
  | "registrations"
  | "watched"
  | "watchStaleness"
> = {
  endpoints: gauge("connect_lb.endpoints", "{endpoint}", "Endpoints of a transport, by the state of their connection."),
  heldBack: gauge(
    "connect_lb.endpoints.held_back",
    "{endpoint}",
    "Endpoints that are connected and get no calls, because of health checks or ejection.",
  ),
  waiting: gauge(
    "connect_lb.calls.waiting",
    "{call}",
    "Calls that wait for a connection, or before their next attempt.",
  ),
  inFlight: gauge("connect_lb.attempts.in_flight", "{attempt}", "Attempts that have begun and not ended."),
  panic: gauge("connect_lb.panic", "1", "1 while a transport ignores the health of its endpoints, otherwise 0."),
  staleness: {
    ...gauge(
      "connect_lb.endpoints.staleness",
      "s",
      "For how long the source of endpoints has been out of reach; 0 if it is not.",
    ),
    doubles: true,
  },
  registrations: gauge(
    "connect_lb.registrations",
    "{registration}",
    "Registrations of a registry, by service and state.",
  ),
  watched: gauge("connect_lb.registry.endpoints", "{endpoint}", "Endpoints of a service as a registry knows them."),
  watchStaleness: {
    ...gauge(
      "connect_lb.registry.staleness",
      "s",
      "For how long a registry has not been able to see a service; 0 if it can.",
    ),
    doubles: true,
  },
};
