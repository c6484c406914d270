import type { DescMethod } from "@bufbuild/protobuf";
import type { BalancerEvent } from "../../balancer/event.ts";
import type { CallEnvironment } from "../../call/environment.ts";
import { Meter, type UnaryCallClass, type UsualCalls } from "../../call/meter.ts";
import { MeteredCall } from "../../call/metered-call.ts";
import type { CallStart, CallWatch } from "../../call/observer.ts";
import type { ReportedWeights } from "../../policy/policy.ts";
import type { ObservedTransport, TransportWatch } from "../../transport/observer.ts";
import type { Measures } from "./client-series.ts";
import { ConnectionSeries } from "./connection-series.ts";
import type { NamedTransport } from "./gauges.ts";
import { MeasuredCall, MeasuredCalls } from "./measured-call.ts";
import { ByMethod, type MethodFilter } from "./method-names.ts";
import { canonicalTarget, serverAttributes } from "./target.ts";
import { TracedCall, type TracedMethod } from "./traced-call.ts";
import { type System, systemOf } from "./system.ts";
import type { Tracing } from "./tracing.ts";
import { WeightSeries } from "./weight-series.ts";

/** What a transport's or a server's telemetry is made of. */
export interface TelemetryHost {
  /** Undefined as long as nobody collects metrics. */
  readonly measures: Measures | undefined;
  /** Undefined without spans. */
  readonly tracing: Tracing | undefined;
  readonly methodFilter: MethodFilter | undefined;
}

/** The telemetry of one transport. */
export class TransportTelemetry extends Meter<CallEnvironment> implements TransportWatch, NamedTransport {
  readonly unaryCall: UnaryCallClass<CallEnvironment> = MeteredCall;
  readonly target: string;
  readonly transport: ObservedTransport;
  readonly #host: TelemetryHost;
  readonly #now: () => number;
  readonly #system: System;
  readonly #traced: ByMethod<TracedMethod>;
  #series: ByMethod<MeasuredCalls> | undefined;
  #connections: ConnectionSeries | undefined;
  #weights: WeightSeries | undefined;

  constructor(host: TelemetryHost, transport: ObservedTransport) {
    super();
    const target = this.target = canonicalTarget(transport.target, transport.scheme);
    this.transport = transport;
    this.#host = host;
    this.#now = () => transport.now();
    this.#system = systemOf(transport.protocol);
    const server = serverAttributes(target);
    this.#traced = new ByMethod(host.methodFilter, (name) => ({ name, system: this.#system, server }));
    this.#measure();
  }

  /** Creates what metrics need, once they are collected. */
  #measure(): ByMethod<MeasuredCalls> | undefined {
    const { measures, methodFilter } = this.#host;
    if (measures === undefined) return undefined;
    if (measures.experimental) {
      this.#connections = new ConnectionSeries(measures, this.target);
      this.#weights = new WeightSeries(measures, this.target);
    }
    return this.#series = new ByMethod(
      methodFilter,
      (method) => new MeasuredCalls(measures, { target: this.target, system: this.#system, method, now: this.#now }),
    );
  }

  /** Spans need to know of each call. */
  usual(method: DescMethod): UsualCalls | undefined {
    return this.#host.tracing === undefined ? (this.#series ?? this.#measure())?.of(method) : undefined;
  }

  callStarted(start: CallStart): CallWatch | undefined {
    const series = this.#series ?? this.#measure(), { tracing } = this.#host;
    const measured = series && new MeasuredCall(series.of(start.method));
    return tracing === undefined ? measured : new TracedCall(tracing, this.#traced.of(start.method), start, measured);
  }

  event(event: BalancerEvent): void {
    this.#connections?.event(event);
  }

  weightsUpdated(weights: ReportedWeights): void {
    this.#weights?.updated(weights);
  }

  closed(): void {
    this.#connections?.closed();
  }
}
