// The names of metrics, spans and attributes, as their sources have them: what is exported is compared with this list,
// not with the code.
//
// gRFCs: https://github.com/grpc/proposal, as of 2026-06-25. Semantic conventions:
// https://github.com/open-telemetry/semantic-conventions, docs/rpc/rpc-metrics.md and docs/rpc/grpc.md, as of 2026-08-20.

/** A metric as its source describes it. */
export interface Named {
  readonly type: "counter" | "up-down counter" | "histogram" | "gauge";
  readonly unit: string;
  /** The attributes of each series. */
  readonly attributes: readonly string[];
  readonly buckets?: readonly number[];
}

/** A66: "Buckets for histograms in default views should be as follows: Latency". */
// deno-fmt-ignore
const latency = [
  0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.013,
  0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 2, 5, 10,
  20, 50, 100,
];

/** A66: "Size". */
// deno-fmt-ignore
const size = [
  0, 1024, 2048, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864, 268435456, 1073741824, 4294967296,
];

const ended = ["grpc.method", "grpc.target", "grpc.status"];

/** gRFC A66, "Client Per-Attempt Instruments" and "Client Per-Call Instruments". */
export const A66_CLIENT: Readonly<Record<string, Named>> = {
  "grpc.client.attempt.started": { type: "counter", unit: "{attempt}", attributes: ["grpc.method", "grpc.target"] },
  "grpc.client.attempt.duration": { type: "histogram", unit: "s", attributes: ended, buckets: latency },
  "grpc.client.attempt.sent_total_compressed_message_size": {
    type: "histogram",
    unit: "By",
    attributes: ended,
    buckets: size,
  },
  "grpc.client.attempt.rcvd_total_compressed_message_size": {
    type: "histogram",
    unit: "By",
    attributes: ended,
    buckets: size,
  },
  "grpc.client.call.duration": { type: "histogram", unit: "s", attributes: ended, buckets: latency },
};

/** gRFC A66, "Server Instruments". */
export const A66_SERVER: Readonly<Record<string, Named>> = {
  "grpc.server.call.started": { type: "counter", unit: "{call}", attributes: ["grpc.method"] },
  "grpc.server.call.sent_total_compressed_message_size": {
    type: "histogram",
    unit: "By",
    attributes: ["grpc.method", "grpc.status"],
    buckets: size,
  },
  "grpc.server.call.rcvd_total_compressed_message_size": {
    type: "histogram",
    unit: "By",
    attributes: ["grpc.method", "grpc.status"],
    buckets: size,
  },
  "grpc.server.call.duration": {
    type: "histogram",
    unit: "s",
    attributes: ["grpc.method", "grpc.status"],
    buckets: latency,
  },
};

const ofCall = ["grpc.method", "grpc.target"];

/** gRFC A96, "Proposal". */
export const A96: Readonly<Record<string, Named>> = {
  "grpc.client.call.retries": { type: "histogram", unit: "{retry}", attributes: ofCall, buckets: [1, 2, 3, 4, 5] },
  "grpc.client.call.transparent_retries": {
    type: "histogram",
    unit: "{transparent_retry}",
    attributes: ofCall,
    buckets: [1, 2, 3, 4, 5, 10],
  },
  "grpc.client.call.hedges": { type: "histogram", unit: "{hedge}", attributes: ofCall, buckets: [1, 2, 3, 4, 5] },
  "grpc.client.call.retry_delay": { type: "histogram", unit: "s", attributes: ofCall, buckets: latency },
};

/** gRFC A94, "Proposal"; of its optional labels, `grpc.disconnect_error`. */
export const A94: Readonly<Record<string, Named>> = {
  "grpc.subchannel.disconnections": {
    type: "counter",
    unit: "{disconnection}",
    attributes: ["grpc.target", "grpc.disconnect_error"],
  },
  "grpc.subchannel.connection_attempts_succeeded": {
    type: "counter",
    unit: "{attempt}",
    attributes: ["grpc.target"],
  },
  "grpc.subchannel.connection_attempts_failed": { type: "counter", unit: "{attempt}", attributes: ["grpc.target"] },
  "grpc.subchannel.open_connections": {
    type: "up-down counter",
    unit: "{connection}",
    attributes: ["grpc.target"],
  },
};

/** gRFC A91, "Proposal". */
export const A91: Readonly<Record<string, Named>> = {
  "grpc.lb.outlier_detection.ejections_enforced": {
    type: "counter",
    unit: "{ejection}",
    attributes: ["grpc.target", "grpc.lb.outlier_detection.detection_method"],
  },
  "grpc.lb.outlier_detection.ejections_unenforced": {
    type: "counter",
    unit: "{ejection}",
    attributes: [
      "grpc.target",
      "grpc.lb.outlier_detection.detection_method",
      "grpc.lb.outlier_detection.unenforced_reason",
    ],
  },
};

/** gRFC A78, "Weighted Round Robin LB Policy"; without the optional `grpc.lb.locality`. It names no buckets. */
export const A78: Readonly<Record<string, Named>> = {
  "grpc.lb.wrr.rr_fallback": { type: "counter", unit: "{update}", attributes: ["grpc.target"] },
  "grpc.lb.wrr.endpoint_weight_not_yet_usable": { type: "counter", unit: "{endpoint}", attributes: ["grpc.target"] },
  "grpc.lb.wrr.endpoint_weight_stale": { type: "counter", unit: "{endpoint}", attributes: ["grpc.target"] },
  "grpc.lb.wrr.endpoint_weights": { type: "histogram", unit: "{weight}", attributes: ["grpc.target"] },
};

/** rpc-metrics.md: ExplicitBucketBoundaries of both metrics. */
const rpcDuration = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** rpc-metrics.md; `error.type` if and only if the call failed, `server.port` if the target has one. */
export const RPC_CLIENT: Readonly<Record<string, Named>> = {
  "rpc.client.call.duration": {
    type: "histogram",
    unit: "s",
    attributes: ["rpc.system.name", "rpc.method", "rpc.status_code", "error.type", "server.address", "server.port"],
    buckets: rpcDuration,
  },
};

/** rpc-metrics.md; `error.type` if and only if the call failed. */
export const RPC_SERVER: Readonly<Record<string, Named>> = {
  "rpc.server.call.duration": {
    type: "histogram",
    unit: "s",
    attributes: ["rpc.system.name", "rpc.method", "rpc.status_code", "error.type"],
    buckets: rpcDuration,
  },
};

/** gRPC's status codes by number: https://grpc.github.io/grpc/core/md_doc_statuscodes.html. */
// deno-fmt-ignore
export const STATUSES: readonly string[] = [
  "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
  "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
];

/** grpc.md, "Server": the status codes that are errors of a server. */
export const SERVER_ERRORS: readonly string[] = [
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
];
