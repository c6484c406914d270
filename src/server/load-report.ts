// Load reports of a server, ORCA (gRFC A51): with each answer, and beside the calls.

import type { DescMethod } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ConnectRouter, type ContextValues, type Interceptor } from "@connectrpc/connect";
import { OpenRcaService } from "../../gen/xds/service/orca/v3/orca_pb.ts";
import type { RouteOptions } from "../grpc/server/options.ts";
import { recordingInterceptor } from "../grpc/server/recorded-call.ts";
import type { CallRecorder } from "../grpc/server/recorder.ts";
import { checkOptions, type Checks, clock as aClock, milliseconds } from "../option.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { type CallMetrics, callMetricsOf, checkLoadMetrics, type LoadMetrics, merged } from "./load-metrics.ts";
import { LoadRecorder } from "./load-recorder.ts";
import { IN_FLIGHT, LATENCY, LoadTrailer, type ReportInit, trailerOf } from "./load-trailer.ts";
import { endOf } from "./stream-end.ts";

/** Options of {@link reportLoad}. */
export interface LoadReportOptions {
  /**
   * The shortest interval at which `OpenRcaService` reports, in milliseconds, whatever a client asks for. Defaults to
   * 30,000, as in the other implementations of gRPC. Lower it for clients that balance by these reports.
   */
  readonly minReportIntervalMs?: number;
  /** The clock. Defaults to the runtime's monotonic clock. */
  readonly clock?: Clock;
}

const OPTIONS: Checks<LoadReportOptions> = { minReportIntervalMs: milliseconds, clock: aClock };

/** The load reports of one server; see {@link reportLoad}. */
export interface LoadReports {
  /**
   * Counts calls, and adds the trailer `endpoint-load-metrics-bin` to their answers, for any Connect router: give it as
   * the first of the router's interceptors. A server of `createGrpcServer({ loadReports })` needs none: its calls count
   * from their arrival, in every protocol and with whatever interceptors.
   */
  readonly interceptor: Interceptor;
  /** What `createGrpcServer({ loadReports })` counts its calls by. */
  readonly recorder: CallRecorder;
  /**
   * Adds `xds.service.orca.v3.OpenRcaService` to a Connect router, whose clients get reports at an interval.
   * `createGrpcServer({ loadReports })` does it by itself.
   */
  readonly routes: (router: ConnectRouter, options?: RouteOptions) => void;
  /**
   * Sets what is reported beside what is measured, until it is set again; what is not named stays, and `undefined`
   * removes it.
   *
   * @throws TypeError or RangeError for an unknown metric, or one that is out of range.
   */
  set(metrics: LoadMetrics): void;
}

/** Their calls carry reports, and are no load. */
const NO_LOAD = /^(grpc\.health|grpc\.reflection|xds\.service\.orca)\./;

/** The codes of errors that are the server's own. */
const FAILURES: ReadonlySet<Code> = new Set([
  Code.Unknown,
  Code.DeadlineExceeded,
  Code.Internal,
  Code.Unavailable,
  Code.DataLoss,
]);

/**
 * Creates the load reports of a server (ORCA, gRFC A51), by which clients balance: gRPC's `weighted_round_robin` and
 * others. Each answer, of failed calls and health checks, too, carries one in the trailer `endpoint-load-metrics-bin`,
 * and `OpenRcaService` streams them to clients that ask.
 *
 * Measured are: calls per second and errors per second (those that are the server's own: Unknown, DeadlineExceeded,
 * Internal, Unavailable, DataLoss); `cpu_utilization`, the CPU time that the process used per time passed, so that 1 is
 * one core, which is all that JavaScript can use; and as named metrics `rif`, the requests in flight, and `latency_ms`,
 * the median latency of unary calls at about that load. Whatever else is worth reporting is set with `set()`, or for
 * one call with {@link recordCallMetrics}.
 *
 * @throws TypeError or RangeError for an invalid option.
 */
export function reportLoad(options: LoadReportOptions = {}): LoadReports {
  checkOptions("reportLoad()", options, OPTIONS);
  return new Reports(options.clock ?? systemClock, options.minReportIntervalMs ?? 30_000);
}

class Reports implements LoadReports, CallRecorder {
  readonly interceptor: Interceptor = recordingInterceptor(this);
  readonly recorder: CallRecorder = this;
  readonly trailerName = "endpoint-load-metrics-bin";
  readonly #clock: Clock;
  readonly #minReportIntervalMs: number;
  readonly #recorder: LoadRecorder;
  #metrics: LoadMetrics = {};
  /** The trailer of calls that report nothing of their own, and the rates that it was made with. */
  #usual: LoadTrailer | undefined;
  #trailerRates: unknown;

  constructor(clock: Clock, minReportIntervalMs: number) {
    this.#clock = clock;
    this.#minReportIntervalMs = minReportIntervalMs;
    this.#recorder = new LoadRecorder(clock);
  }

  arrived({ parent }: DescMethod): number | undefined {
    return NO_LOAD.test(parent.typeName) ? undefined : this.#recorder.arrived();
  }

  ended({ methodKind }: DescMethod, arrivedAtMs: number, error: unknown): void {
    this.#recorder.finished(error !== undefined && isFailure(error));
    if (error === undefined && methodKind === "unary") this.#recorder.answered(arrivedAtMs);
  }

  readonly routes = (router: ConnectRouter, options?: RouteOptions): void => {
    router.service(OpenRcaService, {
      streamCoreMetrics: ({ reportInterval }, { signal }) => this.#reports(reportInterval, signal),
    }, options);
  };

  set(metrics: LoadMetrics): void {
    checkLoadMetrics(metrics);
    this.#metrics = { ...this.#metrics, ...metrics };
    this.#trailerRates = undefined;
  }

  /** A slow reader gets a report less often, and always the newest. */
  async *#reports(interval: Duration | undefined, signal: AbortSignal): AsyncIterable<ReportInit> {
    const wantedMs = interval === undefined ? 0 : Number(interval.seconds) * 1_000 + interval.nanos / 1e6;
    for (;;) {
      yield this.#report(this.#clock.now(), undefined);
      await this.#pause(Math.max(wantedMs, this.#minReportIntervalMs), signal);
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        timer.cancel();
        reject(endOf(signal));
      };
      const timer = this.#clock.timer(ms, () => {
        signal.removeEventListener("abort", end);
        resolve();
      });
      if (signal.aborted) end();
      else signal.addEventListener("abort", end, { once: true });
    });
  }

  trailer(values: ContextValues | undefined): string {
    const call = values && callMetricsOf(values);
    const nowMs = this.#clock.now();
    const latencyMs = this.#recorder.latencyMs(nowMs);
    if (call !== undefined || latencyMs === undefined) return trailerOf(this.#report(nowMs, call));
    const rates = this.#recorder.rates(nowMs);
    if (rates !== this.#trailerRates) {
      [this.#trailerRates, this.#usual] = [rates, new LoadTrailer(this.#lasting(nowMs, undefined))];
    }
    return this.#usual!.with(this.#recorder.inFlight, latencyMs);
  }

  #report(nowMs: number, call: CallMetrics | undefined): ReportInit {
    const latencyMs = this.#recorder.latencyMs(nowMs);
    const lasting = this.#lasting(nowMs, call);
    const measured = { [IN_FLIGHT]: this.#recorder.inFlight, ...latencyMs !== undefined && { [LATENCY]: latencyMs } };
    return { ...lasting, namedMetrics: { ...measured, ...lasting.namedMetrics } };
  }

  /** A report without what changes with every call. */
  #lasting(nowMs: number, call: CallMetrics | undefined) {
    const { perSecond, errorsPerSecond, cpu } = this.#recorder.rates(nowMs);
    const metrics = merged(this.#metrics, call);
    return {
      cpuUtilization: metrics.cpuUtilization ?? cpu,
      memUtilization: metrics.memUtilization ?? 0,
      applicationUtilization: metrics.applicationUtilization ?? 0,
      rpsFractional: perSecond,
      eps: errorsPerSecond,
      utilization: metrics.utilization ?? {},
      requestCost: metrics.requestCost ?? {},
      namedMetrics: metrics.namedMetrics ?? {},
    };
  }
}

function isFailure(error: unknown): boolean {
  return FAILURES.has(error instanceof ConnectError ? error.code : Code.Internal);
}
