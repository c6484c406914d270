import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createClient,
  createContextValues,
  createRouterTransport,
  decodeBinaryHeader,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { type OrcaLoadReport, OrcaLoadReportSchema } from "../../gen/xds/data/orca/v3/orca_load_report_pb.ts";
import { OpenRcaService } from "../../gen/xds/service/orca/v3/orca_pb.ts";
import { createHealth } from "../../src/server/health.ts";
import { LatencyEstimate } from "../../src/server/latency-estimate.ts";
import { recordCallMetrics } from "../../src/server/load-metrics.ts";
import { type LoadReports, reportLoad } from "../../src/server/load-report.ts";
import { LoadTrailer, trailerOf } from "../../src/server/load-trailer.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";

const reportIn = (headers: Headers): OrcaLoadReport => {
  const value = headers.get("endpoint-load-metrics-bin");
  assert.ok(value, "there is a report");
  return decodeBinaryHeader(value, OrcaLoadReportSchema);
};

function clientsOf(load: LoadReports, simple: Partial<ServiceImpl<typeof Simple>>) {
  const routes = (router: ConnectRouter) => {
    router.service(Simple, simple);
    createHealth().routes(router);
    load.routes(router);
  };
  const transport = createRouterTransport(routes, { router: { interceptors: [load.interceptor] } });
  return {
    simple: createClient(Simple, transport),
    health: createClient(Health, transport),
    orca: createClient(OpenRcaService, transport),
  };
}

/** A client, and the report that came with its last answer. */
function withReports(load: LoadReports, simple: Partial<ServiceImpl<typeof Simple>>) {
  const { simple: client, health } = clientsOf(load, simple);
  let report: OrcaLoadReport | undefined;
  const onTrailer = (trailer: Headers) => void (report = reportIn(trailer));
  return {
    client,
    health,
    onTrailer,
    /** Makes a call, and returns what its answer reported. */
    async call(data = "", options = {}): Promise<OrcaLoadReport> {
      await client.route({ data }, { onTrailer, ...options });
      return report!;
    },
    get report(): OrcaLoadReport {
      assert.ok(report);
      return report;
    },
  };
}

/** Answers each call when it is told to. */
function held() {
  const answers: (() => void)[] = [];
  return {
    answers,
    route: (_request: unknown, { signal }: HandlerContext) =>
      new Promise<{ code: number }>((resolve, reject) => {
        answers.push(() => resolve({ code: 200 }));
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  };
}

describe("a load report", () => {
  it("comes with each answer, with the requests in flight beside it", async () => {
    const { answers, route } = held();
    const { call } = withReports(reportLoad(), { route });
    const calls = [call(), call(), call()];
    await eventually("three calls have arrived", () => answers.length === 3);
    const inFlight = [];
    for (const [i, answer] of answers.entries()) {
      answer();
      inFlight.push((await calls[i]!).namedMetrics["rif"]);
    }
    assert.deepEqual(inFlight, [2, 1, 0]);
  });

  it("tells the latency of unary calls that were answered, at about the present load", async () => {
    const clock = new ManualClock();
    const { call } = withReports(reportLoad({ clock }), {
      route({ data }) {
        if (data === "fail") throw new ConnectError("no", Code.Internal);
        clock.skip(Number(data));
        return {};
      },
    });
    await assert.rejects(call("fail"));
    const latencies = [];
    for (const ms of ["7", "9", "8"]) latencies.push((await call(ms)).namedMetrics["latency_ms"]);
    assert.deepEqual(latencies, [7, 9, 8]);
  });

  it("tells calls and errors per second, measured over a second or more", async () => {
    const clock = new ManualClock();
    const codes = [Code.NotFound, Code.InvalidArgument, Code.Internal, Code.Unavailable];
    const { call } = withReports(reportLoad({ clock }), {
      route({ data }) {
        if (data !== "") throw new ConnectError("no", codes[Number(data)]);
        return {};
      },
    });
    for (let i = 0; i < 4; i++) await call();
    for (const i of codes.keys()) await assert.rejects(call(String(i)));
    clock.skip(2_000);
    const report = await call();
    assert.equal(report.rpsFractional, 4.5);
    assert.equal(report.eps, 1);
    // The next second begins anew.
    assert.equal((await call()).rpsFractional, 4.5);
    clock.skip(1_000);
    const next = await call();
    assert.equal(next.rpsFractional, 2);
    assert.equal(next.eps, 0);
  });

  it("tells how much CPU the process used, where the runtime knows it", async () => {
    const clock = new ManualClock();
    const { call } = withReports(reportLoad({ clock }), { route: () => ({}) });
    // By CPU time: on a busy machine, a process gets little of it in any time that passes.
    for (const before = process.cpuUsage(); process.cpuUsage(before).user < 50_000;);
    clock.skip(1_000);
    const { cpuUtilization } = await call();
    assert.ok(cpuUtilization > 0.01 && cpuUtilization < 100, `${cpuUtilization}`);
  });

  it("comes with errors, too, and leaves those alone that are no ConnectError", async () => {
    const load = reportLoad();
    const secret = new Error("a secret");
    let passedOn: unknown;
    const transport = createRouterTransport((router) =>
      router.service(Simple, {
        route({ data }) {
          throw data === "" ? new ConnectError("no", Code.NotFound) : secret;
        },
      }), {
      router: {
        interceptors: [(next) => (request) =>
          next(request).catch((error) => {
            passedOn = error;
            throw error;
          }), load.interceptor],
      },
    });
    const { route } = createClient(Simple, transport);
    const failure = await route({}).then(() => assert.fail(), (error) => ConnectError.from(error));
    assert.equal(failure.code, Code.NotFound);
    assert.equal(reportIn(failure.metadata).namedMetrics["rif"], 0);
    await assert.rejects(route({ data: "x" }), /internal error/);
    assert.equal(passedOn, secret);
  });

  it("counts a stream until it ends: read to its end, failed, or given up", async () => {
    const arrived: string[] = [];
    const reports = withReports(reportLoad(), {
      route: () => ({}),
      async *routeServerStream({ data }, { signal }) {
        arrived.push(data);
        yield { value: "1" };
        if (data === "fail") throw new ConnectError("no", Code.Internal);
        if (data === "open") await new Promise((_, reject) => signal.addEventListener("abort", () => reject("gone")));
      },
    });
    const { client, call, onTrailer } = reports;
    const inFlight = async () => (await call()).namedMetrics["rif"];
    for await (const _ of client.routeServerStream({ data: "read" }, { onTrailer })) assert.equal(await inFlight(), 1);
    assert.equal(reports.report.namedMetrics["rif"], 0, "the stream's own report");
    await assert.rejects(async () => {
      for await (const _ of client.routeServerStream({ data: "fail" }));
    }, (error) => reportIn(ConnectError.from(error).metadata).namedMetrics["rif"] === 0);
    const given = new AbortController();
    await assert.rejects(async () => {
      for await (const _ of client.routeServerStream({ data: "open" }, { signal: given.signal })) {
        assert.equal(await inFlight(), 1);
        given.abort();
      }
    });
    assert.deepEqual(arrived, ["read", "fail", "open"]);
    await eventually("none is in flight", async () => await inFlight() === 0);
  });

  it("doesn't count a stream whose call has ended before there was a response", async () => {
    const load = reportLoad();
    const given = new AbortController();
    const { call } = withReports(load, { route: () => ({}) });
    const next = load.interceptor(() => {
      given.abort();
      return Promise.resolve({ stream: true, message: (async function* () {})(), trailer: new Headers() } as never);
    });
    const method = Simple.method.routeServerStream;
    await next({ method, contextValues: createContextValues(), signal: given.signal } as never);
    assert.equal((await call()).namedMetrics["rif"], 0);
  });

  it("counts a unary call that is given up until its handler has ended", async () => {
    let end = () => {};
    const load = reportLoad();
    const { simple } = clientsOf(load, {
      route: ({ data }) =>
        data === "" ? {} : new Promise<{ code: number }>((resolve) => end = () => resolve({ code: 1 })),
    });
    const inFlight = async () => {
      let report: OrcaLoadReport | undefined;
      await simple.route({}, { onTrailer: (trailer) => report = reportIn(trailer) });
      return report!.namedMetrics["rif"];
    };
    const given = new AbortController();
    const call = simple.route({ data: "x" }, { signal: given.signal });
    await eventually("it is in flight", async () => await inFlight() === 1);
    given.abort();
    await assert.rejects(call);
    assert.equal(await inFlight(), 1);
    end();
    await eventually("it has ended", async () => await inFlight() === 0);
  });

  it("comes with health checks, which are no load", async () => {
    const load = reportLoad();
    const { health, call } = withReports(load, { route: () => ({}) });
    await call();
    const given = new AbortController();
    const watch = health.watch({}, { signal: given.signal })[Symbol.asyncIterator]();
    await watch.next();
    let report: OrcaLoadReport | undefined;
    await health.check({}, { onTrailer: (trailer) => report = reportIn(trailer) });
    assert.equal(report?.namedMetrics["rif"], 0);
    assert.ok(report.namedMetrics["latency_ms"]! > 0);
    given.abort();
    await assert.rejects(watch.next());
  });

  it("says what the server set, and what the call recorded in its place", async () => {
    const load = reportLoad();
    const { call } = withReports(load, {
      route({ data }, context) {
        if (data === "") return {};
        recordCallMetrics(context, { requestCost: { rows: 3 }, namedMetrics: { queue: 2 } });
        recordCallMetrics(context, { requestCost: { bytes: 10 }, applicationUtilization: 1.5 });
        recordCallMetrics(context, { cpuUtilization: undefined, namedMetrics: undefined });
        return {};
      },
    });
    load.set({ applicationUtilization: 0.5, cpuUtilization: 0.25, namedMetrics: { queue: 9, rif: 7 } });
    load.set({ memUtilization: 1, utilization: { disk: 0.75 } });
    const usual = {
      cpuUtilization: 0.25,
      memUtilization: 1,
      applicationUtilization: 0.5,
      utilization: { disk: 0.75 },
      requestCost: {},
      namedMetrics: { queue: 9, rif: 7 },
    };
    // The first answer knows of no latency, the second has the usual trailer.
    assert.partialDeepStrictEqual(await call(), usual);
    assert.partialDeepStrictEqual(await call(), usual);
    assert.partialDeepStrictEqual(await call("own"), {
      ...usual,
      applicationUtilization: 1.5,
      requestCost: { rows: 3, bytes: 10 },
      namedMetrics: { queue: 2, rif: 7 },
    });
    assert.partialDeepStrictEqual(await call(), usual);
    load.set({ applicationUtilization: undefined, namedMetrics: undefined });
    const { applicationUtilization, namedMetrics } = await call();
    assert.equal(applicationUtilization, 0);
    assert.deepEqual(Object.keys(namedMetrics).toSorted(), ["latency_ms", "rif"]);
  });

  it("is the same whether it is made whole or by the trailer that remembers most of it", () => {
    const init = { cpuUtilization: 0.5, rpsFractional: 100.25, utilization: { disk: 1 } };
    const trailer = new LoadTrailer(init);
    for (const [rif, latency] of [[0, 0.1], [3, 1e9], [1e6, 12.5]] as const) {
      const whole = trailerOf({ ...init, namedMetrics: { rif, latency_ms: latency } });
      const [a, b] = [whole, trailer.with(rif, latency)].map((text) => decodeBinaryHeader(text, OrcaLoadReportSchema));
      assert.deepEqual(a, b);
    }
  });

  it("says what is wrong with a metric", () => {
    const load = reportLoad();
    assert.throws(() => load.set({ memUtilization: 1.5 }), {
      name: "RangeError",
      message: "option memUtilization is 1.5: expected a number from 0 to 1",
    });
    assert.throws(() => load.set({ applicationUtilization: -1 }), /applicationUtilization is -1: .* from 0/);
    assert.throws(
      () => load.set({ utilization: { disk: 2 } }),
      /utilization\["disk"\] is 2: expected a number from 0 to 1/,
    );
    assert.throws(() => load.set({ namedMetrics: { a: NaN } }), /namedMetrics\["a"\] is NaN: expected a finite number/);
    assert.throws(() => load.set({ cpu: 1 } as never), /set\(\) has no option "cpu": did you mean cpuUtilization\?/);
    const values = { get: () => undefined, set: () => assert.fail() } as unknown as HandlerContext["values"];
    assert.throws(
      () => recordCallMetrics({ values }, { requestCost: { rows: "3" as never } }),
      /requestCost\["rows"\] is "3": expected a finite number/,
    );
    assert.throws(
      () => reportLoad({ minReportIntervalMs: 0 }),
      /minReportIntervalMs is 0: expected milliseconds above 0/,
    );
  });
});

describe("xds.service.orca.v3.OpenRcaService", () => {
  const seconds = (n: number) => ({ reportInterval: { seconds: BigInt(n), nanos: 0 } });

  /** How many seconds pass between two reports. */
  async function interval(load: LoadReports, clock: ManualClock, request: object): Promise<number> {
    const given = new AbortController();
    const { orca } = clientsOf(load, {});
    const reports = orca.streamCoreMetrics(request, { signal: given.signal })[Symbol.asyncIterator]();
    assert.equal((await reports.next()).done, false, "the first report comes at once");
    const next = reports.next();
    const [ms] = await eventually("it waits", () => clock.pending.length === 1 && clock.pending);
    clock.advance(ms!);
    assert.equal((await next).done, false);
    const last = reports.next();
    await eventually("it waits again", () => clock.pending.length === 1);
    given.abort();
    await assert.rejects(last);
    await eventually("its timer is gone", () => clock.pending.length === 0);
    return ms! / 1_000;
  }

  it("reports at once, then at the interval that was asked for, but no more often than it may", async () => {
    const clock = new ManualClock();
    const usual = reportLoad({ clock });
    assert.equal(await interval(usual, clock, {}), 30);
    assert.equal(await interval(usual, clock, seconds(1)), 30);
    assert.equal(await interval(usual, clock, seconds(-50)), 30);
    assert.equal(await interval(usual, clock, seconds(90)), 90);
    const often = reportLoad({ clock, minReportIntervalMs: 100 });
    assert.equal(await interval(often, clock, {}), 0.1);
    assert.equal(await interval(often, clock, { reportInterval: { seconds: 2n, nanos: 500_000_000 } }), 2.5);
  });

  it("ends with Unavailable when the server shuts down, also if it begins after that", async () => {
    const clock = new ManualClock();
    const stopping = new AbortController();
    const load = reportLoad({ clock });
    const transport = createRouterTransport((router) => load.routes(router, { shutdownSignal: stopping.signal }));
    const orca = createClient(OpenRcaService, transport);
    const unavailable = (error: unknown) => ConnectError.from(error).code === Code.Unavailable;
    for (const _ of ["before", "after"]) {
      const reports = orca.streamCoreMetrics({})[Symbol.asyncIterator]();
      await reports.next();
      const ended = assert.rejects(reports.next(), unavailable);
      stopping.abort();
      await ended;
      assert.deepEqual(clock.pending, []);
    }
  });

  it("reports what is set and measured, without what single calls cost", async () => {
    const clock = new ManualClock();
    const load = reportLoad({ clock });
    load.set({ applicationUtilization: 0.5, namedMetrics: { queue: 3 } });
    const { orca } = clientsOf(load, {});
    const given = new AbortController();
    const reports = orca.streamCoreMetrics({}, { signal: given.signal })[Symbol.asyncIterator]();
    const { value } = await reports.next();
    assert.partialDeepStrictEqual(value, { applicationUtilization: 0.5, namedMetrics: { queue: 3, rif: 0 } });
    given.abort();
    await assert.rejects(reports.next());
  });
});

describe("the estimate of the latency", () => {
  it("is the median of calls that had about as many others beside them", () => {
    const estimate = new LatencyEstimate();
    assert.equal(estimate.at(1), undefined);
    for (let i = 0; i < 10; i++) estimate.add(1, 10 + i % 3);
    for (let i = 0; i < 10; i++) estimate.add(50, 500 + i % 3);
    assert.equal(estimate.at(1), 11);
    assert.equal(estimate.at(50), 501);
    assert.equal(estimate.at(60), 501);
  });

  it("remembers the last calls alone", () => {
    const estimate = new LatencyEstimate();
    for (let i = 0; i < 40; i++) estimate.add(1, 1);
    for (let i = 0; i < 32; i++) estimate.add(1, 2);
    assert.equal(estimate.at(1), 2);
    assert.equal(estimate.at(1_000_000), 2);
  });
});
