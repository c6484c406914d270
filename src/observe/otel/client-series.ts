import type { Attributes } from "./api.ts";
import type { MetricBackend, Series } from "./backend.ts";
import { type Conventions, isGrpc, isOtel } from "./conventions.ts";
import { CLIENT, RETRIES, RPC } from "./metric.ts";
import { STATUS_NAMES } from "./status.ts";
import { OTHER } from "./method-names.ts";
import type { System } from "./system.ts";
import { serverAttributes } from "./target.ts";

/** How much is measured. */
export interface Measures {
  readonly backend: MetricBackend;
  readonly conventions: Conventions;
  /** Whether gRPC's experimental metrics are recorded, too. */
  readonly experimental: boolean;
}

/** What calls are measured together: those of one method to one target. */
export interface MeasuredMethod {
  readonly target: string;
  readonly system: System;
  readonly method: string;
  /** The transport's clock, in milliseconds. */
  readonly now: () => number;
}

/** The series of attempts that ended with the same status. */
export interface AttemptSeries {
  readonly duration: Series;
  readonly sent: Series;
  readonly received: Series;
}

/** The series of all calls of one method to one target. A call looks up none by its attributes. */
export class ClientSeries {
  /** The transport's clock, in milliseconds. */
  readonly now: () => number;
  readonly #measures: Measures;
  readonly #attributes: Attributes;
  readonly #otelAttributes: Attributes;
  /** Undefined without gRPC's names. */
  readonly started: Series | undefined;
  // By the number of the status.
  readonly #attempts: (AttemptSeries | undefined)[] = [];
  readonly #calls: (Series | undefined)[] = [];
  #usual: Series | undefined;

  constructor(measures: Measures, { target, system, method, now }: MeasuredMethod) {
    this.now = now;
    this.#measures = measures;
    this.#attributes = { "grpc.method": method, "grpc.target": target };
    this.#otelAttributes = {
      "rpc.system.name": system,
      "rpc.method": method === OTHER ? "_OTHER" : method,
      ...serverAttributes(target),
    };
    if (isGrpc(measures.conventions)) this.started = measures.backend.series(CLIENT.attemptStarted, this.#attributes);
  }

  /** As `UsualCalls`, and `succeeded`, too. */
  began(): void {
    this.started?.record(1);
  }

  succeeded(latencyMs: number, sentBytes: number | undefined, receivedBytes: number): void {
    const { usual } = this;
    if (usual === undefined) return this.call(0).record(latencyMs / 1_000);
    usual.record(latencyMs / 1_000);
    if (sentBytes === undefined) return;
    const attempt = this.attempt(0)!;
    attempt.sent.record(sentBytes);
    attempt.received.record(receivedBytes);
  }

  /** Undefined without gRPC's names: OpenTelemetry's conventions have no attempts. */
  attempt(status: number): AttemptSeries | undefined {
    const found = this.#attempts[status];
    if (found !== undefined || this.started === undefined) return found;
    const { backend } = this.#measures;
    const attributes = { ...this.#attributes, "grpc.status": STATUS_NAMES[status]! };
    return this.#attempts[status] = {
      duration: backend.series(CLIENT.attemptDuration, attributes),
      sent: backend.series(CLIENT.attemptSent, attributes),
      received: backend.series(CLIENT.attemptReceived, attributes),
    };
  }

  /**
   * The durations of calls that succeeded with one attempt, which took as long, and of their attempts. Undefined without
   * gRPC's names.
   */
  get usual(): Series | undefined {
    if (this.#usual !== undefined || this.started === undefined) return this.#usual;
    const { backend, conventions } = this.#measures, attempt = this.attempt(0)!.duration;
    const usual = backend.both(attempt, this.#grpcCall(STATUS_NAMES[0]!));
    if (!isOtel(conventions)) return this.#usual = usual;
    const otel = this.#otelCall(STATUS_NAMES[0]!);
    return this.#usual = inTurn(usual, otel);
  }

  /** The durations of calls. */
  call(status: number): Series {
    return this.#calls[status] ??= this.#makeCall(STATUS_NAMES[status]!);
  }

  #makeCall(status: string): Series {
    const { conventions } = this.#measures;
    if (!isOtel(conventions)) return this.#grpcCall(status);
    return isGrpc(conventions) ? inTurn(this.#grpcCall(status), this.#otelCall(status)) : this.#otelCall(status);
  }

  #grpcCall(status: string): Series {
    return this.#measures.backend.series(CLIENT.callDuration, { ...this.#attributes, "grpc.status": status });
  }

  #otelCall(status: string): Series {
    const failed = status !== "OK" && { "error.type": status };
    const attributes = { ...this.#otelAttributes, "rpc.status_code": status, ...failed };
    return this.#measures.backend.series(RPC.client, attributes);
  }

  /** Counts the retries and hedges of a call that had any. */
  repeated({ retries, transparent, hedges, delayMs }: Repeated): void {
    const { backend, conventions, experimental } = this.#measures;
    if (!experimental || !isGrpc(conventions)) return;
    const record = (metric: (typeof RETRIES)[keyof typeof RETRIES], value: number) => {
      if (value > 0) backend.series(metric, this.#attributes).record(value);
    };
    record(RETRIES.retries, retries);
    record(RETRIES.transparent, transparent);
    record(RETRIES.hedges, hedges);
    record(RETRIES.delay, delayMs / 1_000);
  }
}

function inTurn(first: Series, second: Series): Series {
  return {
    record(value) {
      first.record(value);
      second.record(value);
    },
  };
}

/** How often a call was repeated. */
export interface Repeated {
  readonly retries: number;
  /** Retries after attempts that no server processed. */
  readonly transparent: number;
  readonly hedges: number;
  /** How long it had no attempt in flight before a retry, in milliseconds. */
  readonly delayMs: number;
}
