import type { ServerCallEnd, ServerCallWatch } from "../../grpc/server/observer.ts";
import type { Attributes } from "./api.ts";
import type { Series } from "./backend.ts";
import type { Measures } from "./client-series.ts";
import { isGrpc, isOtel } from "./conventions.ts";
import { OTHER } from "./method-names.ts";
import { RPC, SERVER } from "./metric.ts";
import { STATUS_NAMES, statusNumber } from "./status.ts";

/** The statuses that OpenTelemetry counts as errors of a server. */
const SERVER_ERRORS: ReadonlySet<string> = new Set([
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
]);

/** Whether a status counts as an error of the server in OpenTelemetry's conventions for gRPC. */
export function isServerError(status: string): boolean {
  return SERVER_ERRORS.has(status);
}

/** The series of calls that ended with the same status. */
interface EndSeries {
  readonly durations: readonly Series[];
  readonly sent: Series | undefined;
  readonly received: Series | undefined;
}

/** The series of all calls of one method of a server, which watches each of them. */
export class ServerSeries implements ServerCallWatch {
  readonly #measures: Measures;
  readonly #attributes: Attributes;
  readonly #otelAttributes: Attributes;
  readonly #started: Series | undefined;
  /** By the number of the status. */
  readonly #ends: (EndSeries | undefined)[] = [];

  constructor(measures: Measures, system: string, method: string) {
    this.#measures = measures;
    this.#attributes = { "grpc.method": method };
    this.#otelAttributes = { "rpc.system.name": system, "rpc.method": method === OTHER ? "_OTHER" : method };
    if (isGrpc(measures.conventions)) this.#started = measures.backend.series(SERVER.started, this.#attributes);
  }

  started(): void {
    this.#started?.record(1);
  }

  ended({ code, latencyMs, sentBytes, receivedBytes }: ServerCallEnd): void {
    const status = statusNumber(code);
    const end = this.#ends[status] ??= this.#end(STATUS_NAMES[status]!);
    for (const series of end.durations) series.record(latencyMs / 1_000);
    if (sentBytes !== undefined) end.sent?.record(sentBytes);
    if (receivedBytes !== undefined) end.received?.record(receivedBytes);
  }

  #end(status: string): EndSeries {
    const { backend, conventions } = this.#measures, durations: Series[] = [];
    if (isOtel(conventions)) {
      const failed = isServerError(status) && { "error.type": status };
      durations.push(backend.series(RPC.server, { ...this.#otelAttributes, "rpc.status_code": status, ...failed }));
    }
    if (!isGrpc(conventions)) return { durations, sent: undefined, received: undefined };
    const attributes = { ...this.#attributes, "grpc.status": status };
    durations.push(backend.series(SERVER.duration, attributes));
    return {
      durations,
      sent: backend.series(SERVER.sent, attributes),
      received: backend.series(SERVER.received, attributes),
    };
  }
}
