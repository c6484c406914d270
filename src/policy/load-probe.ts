// Asks a server for its load: a health check, whose answer carries a load report as those of all calls do.

import type { DescMethodUnary } from "@bufbuild/protobuf";
import type { BytesValue, BytesValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { rawMethod } from "../raw-method.ts";
import { loadReportIn } from "./load-report.ts";

/** The part of a load report that says how many requests a server has, and how long they take. */
export interface ReportedLoad {
  /** The named metric `rif`: requests that have arrived and are not answered. */
  readonly inFlight: number;
  /** The named metric `latency_ms`; Infinity if it is not reported. */
  readonly latencyMs: number;
}

/** Is notified of what a probe brought, once. */
export interface ProbeListener {
  reported(load: ReportedLoad): void;
  /** The server does not report its load, or not that it is serving. */
  silent(): void;
  /** The server is serving nobody, by its own words. */
  notServing(): void;
  /** There was no answer, which says nothing of what the server reports. */
  failed(): void;
}

/** The codes of probes without an answer. */
const UNANSWERED: ReadonlySet<Code> = new Set([
  Code.Canceled,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
  Code.Unavailable,
]);

/** The second byte of an encoded HealthCheckResponse. */
const NOT_SERVING = 2;

/** Made when it is first needed. A call without a schema is cheaper, and brings no generated code into a bundle. */
let check: DescMethodUnary<typeof BytesValueSchema, typeof BytesValueSchema> | undefined;
/** The server as a whole. */
const REQUEST = {};

/** Sends a probe; it is given up after `timeoutMs` milliseconds. */
export function probeLoad(transport: Transport, timeoutMs: number, listener: ProbeListener): void {
  check ??= rawMethod("/grpc.health.v1.Health/Check", "unary");
  try {
    transport.unary(check, undefined, timeoutMs, undefined, REQUEST).then(
      ({ message, trailer }) => {
        // A link may answer with something else.
        if ((message as Partial<BytesValue>).value?.[1] === NOT_SERVING) listener.notServing();
        else tell(listener, loadIn(trailer));
      },
      (error) => {
        const { code, metadata } = ConnectError.from(error);
        if (UNANSWERED.has(code)) listener.failed();
        else tell(listener, loadIn(metadata));
      },
    );
  } catch {
    // A link that throws must not end the process.
    listener.failed();
  }
}

function tell(listener: ProbeListener, load: ReportedLoad | undefined): void {
  if (load === undefined) listener.silent();
  else listener.reported(load);
}

/** The load that trailers report; undefined if they don't, or if it makes no sense. */
export function loadIn(trailer: Headers): ReportedLoad | undefined {
  const metrics = loadReportIn(trailer)?.namedMetrics;
  const inFlight = metrics?.["rif"], latencyMs = Number(metrics?.["latency_ms"]);
  if (inFlight === undefined || !(inFlight >= 0 && inFlight < Infinity)) return undefined;
  return { inFlight, latencyMs: latencyMs > 0 ? latencyMs : Infinity };
}
